"""What a person is shown at the end of a command: tables, and sentences under them."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distilwhy.cli.confirm import (
    describe_batches,
    describe_estimate,
    describe_spending,
    describe_strategy,
)
from distilwhy.core.findings import Findings, MethodScore
from distilwhy.core.parsing.completion import OUTCOMES
from distilwhy.core.stats.comparisons import OutcomeCounts, Prediction
from distilwhy.core.stats.curve import Efficiency
from distilwhy.core.stats.scores import Score
from distilwhy.core.student_id import MAIN, StudentId
from distilwhy.report.scores import method_rows
from distilwhy.report.sentences import DONE, cautions
from distilwhy.report.words import counted

if TYPE_CHECKING:
    from distilwhy.pipeline import experiment, plan, status

_OUTCOMES = (*OUTCOMES, "not asked")


def show_findings(
    findings: Findings, experiment: "experiment.Experiment", as_json: bool = False
) -> None:
    """The score table, the comparisons and where they stand."""
    if as_json:
        print_json(findings.as_json())
        return
    console = _console()
    show_tallies(findings.teacher)
    for student in findings.students:
        _show_student(console, findings.of(student), findings.call(student))
    if len(findings.students) > 1:
        console.print()
        _show_side_by_side(console, findings)
    if single := _tell_single(findings.methods):
        console.print(f"{single}: the intervals leave out how much training itself varies.")
    for said in cautions(findings):
        console.print(f"\n{said}", style="yellow", soft_wrap=True)
    console.print(f"\nreport:  {escape(str(experiment.folder.page))}", soft_wrap=True)


def _tell_single(methods: Sequence[MethodScore]) -> str:
    """Which methods have one seed alone; "" where none has."""
    single = dict.fromkeys(found.method for found in methods if found.score.seeds == 1)
    if single and all(found.score.seeds == 1 for found in methods):
        return "One seed each"
    return f"One seed of {', '.join(single)}" if single else ""


def _show_student(console: Console, scores: Findings, who: str) -> None:
    """What was found of one student, on each number of train rows; ``who`` names it."""
    sizes = list(dict.fromkeys(found.rows for found in scores.methods))
    title = f"Test accuracy of {who}" if who else "Test accuracy"
    for rows in sizes:
        console.print()
        size = f", {'all' if rows is None else f'{rows:,}'} train rows" if len(sizes) > 1 else ""
        _show_size(console, scores, rows, title + size)
    if scores.efficiency:
        console.print()
    for found in scores.efficiency:
        _show_efficiency(console, found, who)


def _show_side_by_side(console: Console, scores: Findings) -> None:
    """Which student to ship: those on the most train rows that all were taught on, the best
    first."""
    rows = method_rows(scores)
    sizes = list(dict.fromkeys(row.rows for row in rows))
    size = max(sizes, key=lambda size: len({row.student for row in rows if row.rows == size}))
    table = _table(
        f"Students side by side, {size} train rows",
        *("student", "method", "accuracy", "95 % interval", "parameters", "size", "rows/s"),
    )
    table.collapse_padding, table.pad_edge = True, False
    for row in (row for row in rows if row.rows == size):
        measured = row.parameters, row.size, row.speed
        table.add_row(row.student, row.method, row.accuracy, row.interval, *measured)
    console.print(table)


def _show_size(console: Console, scores: Findings, rows: int | None, title: str) -> None:
    """The table and the comparisons at one number of train rows."""
    table = _table(title, "method", "accuracy", "95 % interval", "seeds", "each seed")
    if (teacher := scores.teacher.get("test")) and teacher.score:
        table.add_row("teacher", *_score_cells(teacher.score), "", "")
    chosen = [found for found in scores.methods if found.rows == rows]
    for found in chosen:
        each = "  ".join(f"{student.score.accuracy:.1%}" for student in found.students)
        table.add_row(found.method, *_score_cells(found.score), str(found.score.seeds), each)
    console.print(table)
    for versus in scores.comparisons:
        if versus.rows == rows:
            said = versus.comparison.words
            console.print(f"{versus.method} against {versus.baseline}: {said}", soft_wrap=True)
    for found in chosen:
        if calls := found.students[0].teacher_calls:
            console.print(
                f"{found.method} is no student that answers alone: it took {calls} answers of "
                "the teacher to answer the test rows"
            )
    _show_wrong(console, chosen)


def _show_wrong(console: Console, methods: Sequence[MethodScore]) -> None:
    """What was done about reasons for wrong labels: the same for every method that has any."""
    counts = next((found.wrong_rationales for found in methods if found.wrong_rationales), None)
    if counts and counts["wrong"]:
        said = [f"{counts[key]} {what}" for key, what in DONE.items() if counts[key]]
        console.print(
            f"{counts['wrong']} of {counts['known']} train rows with gold had reasons for a wrong "
            f"label: {', '.join(said) or 'kept'}"
        )


def _show_efficiency(console: Console, found: Efficiency, who: str) -> None:
    """What more rows would bring a method, and how many it takes to match fine-tuning."""
    gain, method = found.gain, f"{who} {found.method}".lstrip()
    points = [f"{100 * share:+z.1f}" for share in (gain.accuracy, gain.low, gain.high)]
    console.print(
        f"{method}: {found.more:,} rows more than {found.rows:,} are expected to bring "
        f"{points[0]} points ({points[1]} to {points[2]})"
    )
    if found.matches:
        rows, low, high = (_count_rows(n, found.fewest) for n in found.matches)
        console.print(
            f"{method}: as good as finetune on all rows from {rows} rows ({low} to {high})"
        )


def _count_rows(rows: int | None, fewest: int) -> str:
    if rows is None:
        return "more than twice as many"
    return f"{rows:,} or fewer" if rows <= fewest else f"{rows:,}"


def show_next_steps(experiment: "experiment.Experiment") -> None:
    """What to try after a demo."""
    methods, seed = experiment.config.methods, experiment.config.seeds[0]
    if "step-by-step" in methods:
        student = experiment.folder.student(StudentId("step-by-step", seed))
        text = experiment.splits.test[0].text.replace('"', "'")
        print_line(f'ask it:  distilwhy predict {student} --explain "{text}"')


def show_tallies(tallies: Mapping[str, OutcomeCounts]) -> None:
    """The annotations of each split by outcome, with the first problem to look at."""
    counts = {name: _counts(tally) for name, tally in tallies.items()}
    seen = [what for what in _OUTCOMES if what == "ok" or any(c[what] for c in counts.values())]
    table = _table("Teacher's answers", "split", "rows", *seen, "accuracy")
    for name, tally in tallies.items():
        unknown = "told" if tally.told else "no gold" if tally.asked else ""
        accuracy = _share(tally.score) if tally.score else unknown
        shown = [str(counts[name][what]) for what in seen]
        table.add_row(name, str(tally.rows), *shown, accuracy)
    console = _console()
    console.print(table)
    for name, tally in tallies.items():
        if tally.problem:
            row, problem = tally.problem
            console.print(escape(f"unread, e.g. {name} row {row}: {problem}"), soft_wrap=True)
        if tally.told:
            console.print(
                f"{name}: the teacher was told the gold label of {tally.told:,} rows, so they say "
                "nothing of its accuracy"
            )
        if tally.without_rationale:
            came = counted(tally.without_rationale, "answer")
            console.print(f"{name}: {came} came without a rationale")


def _counts(tally: OutcomeCounts) -> dict[str, int]:
    outcomes: dict[str, int] = {outcome: tally.outcomes[outcome] for outcome in OUTCOMES}
    return {**outcomes, "not asked": tally.rows - tally.asked}


def show_status(found: "status.Status", as_json: bool) -> None:
    """How far an experiment is."""
    if as_json:
        print_json(asdict(found))
        return
    console = _console()
    console.print(escape(f"run folder: {found.folder}"), soft_wrap=True)
    show_tallies(found.teacher)
    if found.under_way.batches:
        waiting = describe_batches(found.under_way.batches, found.under_way.calls)
        console.print(f"{waiting} with the endpoint: run 'annotate' to have their answers")
    scored = _accuracies(found.results)
    console.print()
    several = any(student.student for student in found.students)
    named = ["student"] if several else []
    table = _table("Students", *named, "method", "seed", "state", "validation", "test")
    for student in found.students:
        validation = student.validation_accuracy
        table.add_row(
            *([student.student or MAIN] if several else []),
            student.method,
            str(student.seed),
            student.state,
            "" if validation is None else f"{validation:.1%}",
            scored.get((student.student, student.method, student.seed), ""),
        )
    console.print(table)


def show_plan(found: "plan.Plan", experiment: "experiment.Experiment", as_json: bool) -> None:
    """What will be done, with one whole prompt."""
    if as_json:
        print_json(asdict(found))
        return
    console, config = _console(), experiment.config
    console.rule(f"one whole prompt, for row {escape(found.prompt_id)}", style="dim")
    console.print(escape(found.prompt), soft_wrap=True)
    console.rule(style="dim")
    for name, count in found.rows.items():
        bare = found.without_gold[name]
        note = f", {bare} without gold" if bare else ""
        console.print(f"{name:<11}{count} rows{note}")
    for line in describe_strategy(config.teacher, experiment.task, found.told):
        console.print(line, soft_wrap=True)
    missing = found.calls - found.answered
    missing -= found.under_way
    waiting = f", {found.under_way} under way in batches" if found.under_way else ""
    unknown = config.teacher.explain_wrong and (missing or waiting)
    more = ", and more where answers turn out wrong" if unknown else ""
    console.print(
        f"annotate   {found.calls} calls to {escape(_teacher_name(config.teacher))}: "
        f"{found.answered} answered{waiting}, {missing} to make{more}",
        soft_wrap=True,
    )
    currency = config.prices.currency if config.prices else ""
    if found.estimate:
        console.print(f"price      {describe_estimate(found.estimate, currency)}", soft_wrap=True)
    if found.repaid:
        console.print(
            f"           {found.repaid:,} rows were answered before in other words, or by another "
            "teacher, and would be paid anew",
            soft_wrap=True,
        )
    if found.spent and (found.spent.certain or found.spent.possible):
        console.print(f"spent      {describe_spending(found.spent, currency)}", soft_wrap=True)
    console.print(
        f"train      {found.students} students ({', '.join(config.methods)}; "
        f"seeds {', '.join(map(str, config.seeds))}) of {escape(config.student.model)}, "
        f"{config.training.steps} steps each: "
        f"{len(found.to_train)} to train",
        soft_wrap=True,
    )
    if config.study.students or config.study.train_rows != [1.0]:
        sizes = ", ".join(str(size) for size in config.study.train_rows)
        names = ", ".join([MAIN, *config.study.students]) if config.study.students else ""
        console.print(
            f"compare    {found.compared} students ({names + '; ' if names else ''}train rows "
            f"{sizes}): {len(found.to_compare)} to train",
            soft_wrap=True,
        )
    console.print(escape(f"run folder {experiment.folder.path}"), soft_wrap=True)
    for warning in found.warnings:
        console.print(escape(f"warning: {warning}"), style="yellow", soft_wrap=True)


def show_prediction(prediction: Prediction) -> None:
    """One answer, and its reasons if asked for."""
    print_line(prediction.label or f"no answer of this task: {prediction.text!r}")
    if prediction.rationale is not None:
        print_line(f"because: {prediction.rationale}")


def write_predictions(predictions: Sequence[Prediction], output: Path | None) -> None:
    """JSONL, one answer a line, to a file or to the screen."""
    lines = []
    for found in predictions:
        row: dict[str, object] = {"id": found.example_id, "label": found.label}
        row |= {"text": found.text} if found.label is None else {}
        row |= {"rationale": found.rationale} if found.rationale is not None else {}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    if output is None:
        sys.stdout.writelines(lines)
        return
    from distilwhy.store.files import publish_text

    publish_text(output, "".join(lines))
    print_line(f"wrote {len(lines)} answers to {output}")


def print_line(line: str) -> None:
    """A line on standard output, as it is."""
    sys.stdout.write(line + "\n")


def _teacher_name(teacher: object) -> str:
    return str(getattr(teacher, "model", None) or "the recorded completions")


def _accuracies(results: Mapping[str, object] | None) -> dict[tuple[str, str, int], str]:
    methods = results["methods"] if results else []
    assert isinstance(methods, list)
    return {
        (
            method.get("student", ""),
            method["method"],
            student["seed"],
        ): f"{student['score']['accuracy']:.1%}"
        for method in methods
        if method["rows"] is None
        for student in method["students"]
    }


def _score_cells(score: Score) -> tuple[str, str]:
    return f"{score.accuracy:.1%}", f"{score.low:.1%} to {score.high:.1%}"


def _share(score: Score) -> str:
    return f"{score.accuracy:.1%} ({score.low:.1%} to {score.high:.1%})"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        names = index == 0 or column == "method"
        table.add_column(column, justify="left" if names else "right", no_wrap=True)
    return table


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=120)


def print_json(value: object) -> None:
    """A value on standard output; amounts of money as numbers."""
    print_line(json.dumps(value, indent=2, ensure_ascii=False, default=float))
