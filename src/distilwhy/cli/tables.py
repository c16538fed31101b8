"""What a person is shown at the end of a command: tables, and sentences under them."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distilwhy.cli.confirm import (
    describe_batches,
    describe_estimate,
    describe_repaid,
    describe_spending,
    describe_strategy,
)
from distilwhy.core.parsing.completion import OUTCOMES
from distilwhy.core.persisted import to_plain
from distilwhy.core.results import MethodScore, Results
from distilwhy.core.stats.comparisons import OutcomeCounts, Prediction
from distilwhy.core.stats.curve import Efficiency
from distilwhy.core.stats.scores import Score
from distilwhy.core.student_id import MAIN, StudentId
from distilwhy.core.wording import count, counted, interval, percent, train_rows
from distilwhy.report.scores import method_rows
from distilwhy.report.sentences import cautions, efficiency_sentences, wrong_rationales

if TYPE_CHECKING:
    from distilwhy.pipeline import experiment, plan, status

_OUTCOMES = (*OUTCOMES, "not asked")


def show_results(
    results: Results, experiment: "experiment.Experiment", as_json: bool = False
) -> None:
    """The score table, the comparisons and where they stand."""
    if as_json:
        print_json(results.as_json())
        return
    console = _console()
    show_tallies(results.teacher)
    for student in results.students:
        _show_student(console, results.of(student), results.call(student))
    if len(results.students) > 1:
        console.print()
        _show_side_by_side(console, results)
    if single := _tell_single(results.methods):
        console.print(f"{single}: the intervals leave out how much training itself varies.")
    for said in cautions(results):
        console.print(f"\n{said}", style="yellow", soft_wrap=True)
    console.print(f"\nreport:  {escape(str(experiment.folder.page))}", soft_wrap=True)


def _tell_single(methods: Sequence[MethodScore]) -> str:
    """Which methods have one seed alone; "" where none has."""
    single = dict.fromkeys(found.method for found in methods if found.score.seeds == 1)
    if single and all(found.score.seeds == 1 for found in methods):
        return "One seed each"
    return f"One seed of {', '.join(single)}" if single else ""


def _show_student(console: Console, scores: Results, who: str) -> None:
    """What was found of one student, on each number of train rows; ``who`` names it."""
    sizes = list(dict.fromkeys(found.rows for found in scores.methods))
    title = f"Test accuracy of {who}" if who else "Test accuracy"
    for rows in sizes:
        console.print()
        size = f", {train_rows(rows)} train rows" if len(sizes) > 1 else ""
        _show_size(console, scores, rows, title + size)
    if scores.efficiency:
        console.print()
    for found in scores.efficiency:
        _show_efficiency(console, found, who)


def _show_side_by_side(console: Console, scores: Results) -> None:
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


def _show_size(console: Console, scores: Results, rows: int | None, title: str) -> None:
    """The table and the comparisons at one number of train rows."""
    table = _table(title, "method", "accuracy", "95 % interval", "seeds", "each seed")
    if (teacher := scores.teacher.get("test")) and teacher.score:
        table.add_row("teacher", *_score_cells(teacher.score), "", "")
    chosen = [one for one in scores.methods if one.rows == rows]
    for one in chosen:
        each = "  ".join(percent(student.score.accuracy) for student in one.students)
        table.add_row(one.method, *_score_cells(one.score), str(one.score.seeds), each)
    console.print(table)
    for found in scores.comparisons:
        if found.rows == rows:
            said = found.comparison.words
            console.print(f"{found.method} against {found.baseline}: {said}", soft_wrap=True)
    for one in chosen:
        if calls := one.students[0].teacher_calls:
            console.print(
                f"{one.method} needs the teacher at inference: {counted(calls, 'call')} for the "
                "test rows"
            )
    if said := wrong_rationales(chosen):
        console.print(said, soft_wrap=True)


def _show_efficiency(console: Console, found: Efficiency, who: str) -> None:
    """The expected gain from more rows, and the rows needed to match fine-tuning."""
    method = f"{who} {found.method}".lstrip()
    for sentence in efficiency_sentences(found):
        console.print(f"{method}: {sentence}", soft_wrap=True)


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
        unknown = "saw gold" if tally.saw_gold else "no gold" if tally.asked else ""
        accuracy = _share(tally.score) if tally.score else unknown
        shown = [str(counts[name][what]) for what in seen]
        table.add_row(name, str(tally.rows), *shown, accuracy)
    console = _console()
    console.print(table)
    for name, tally in tallies.items():
        if tally.problem:
            row, problem = tally.problem
            console.print(escape(f"unread, e.g. {name} row {row}: {problem}"), soft_wrap=True)
        if tally.saw_gold:
            console.print(
                f"{name}: the teacher was shown the gold label of "
                f"{counted(tally.saw_gold, 'row')}, so they say nothing about its accuracy"
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
        print_json(to_plain(found))
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
            "" if validation is None else percent(validation),
            scored.get((student.student, student.method, student.seed), ""),
        )
    console.print(table)


def show_plan(found: "plan.Plan", experiment: "experiment.Experiment", as_json: bool) -> None:
    """What will be done, with one whole prompt."""
    if as_json:
        print_json(to_plain(found))
        return
    console, config = _console(), experiment.config
    console.rule(f"one whole prompt, for row {escape(found.prompt_id)}", style="dim")
    console.print(escape(found.prompt), soft_wrap=True)
    console.rule(style="dim")
    for name, rows in found.rows.items():
        bare = found.without_gold[name]
        note = f", {count(bare)} without gold" if bare else ""
        console.print(f"{name:<11}{counted(rows, 'row')}{note}")
    for line in describe_strategy(config.teacher, experiment.task, found.saw_gold):
        console.print(line, soft_wrap=True)
    missing = found.calls - found.answered
    missing -= found.under_way
    waiting = f", {found.under_way} under way in batches" if found.under_way else ""
    unknown = config.teacher.explain_wrong and (missing or waiting)
    more = ", and more where answers turn out wrong" if unknown else ""
    console.print(
        f"annotate   {counted(found.calls, 'call')} to "
        f"{escape(config.teacher.model_name or 'the recorded completions')}: "
        f"{found.answered} answered{waiting}, {missing} to make{more}",
        soft_wrap=True,
    )
    currency = config.currency
    if found.estimate:
        console.print(f"price      {describe_estimate(found.estimate, currency)}", soft_wrap=True)
    if found.repaid:
        console.print(
            f"           to be paid for again: {describe_repaid(found.repaid)}",
            soft_wrap=True,
        )
    if found.spent and (found.spent.certain or found.spent.possible):
        console.print(f"spent      {describe_spending(found.spent, currency)}", soft_wrap=True)
    console.print(
        f"train      {counted(found.students, 'student')} ({', '.join(config.methods)}; "
        f"seeds {', '.join(map(str, config.seeds))}) of {escape(config.student.model)}, "
        f"{config.training.steps} steps each: "
        f"{len(found.to_train)} to train",
        soft_wrap=True,
    )
    if config.study.students or config.study.train_rows != [1.0]:
        sizes = ", ".join(str(size) for size in config.study.train_rows)
        names = ", ".join([MAIN, *config.study.students]) if config.study.students else ""
        console.print(
            f"compare    {counted(found.compared, 'student')} ({names + '; ' if names else ''}"
            f"train rows {sizes}): {len(found.to_compare)} to train",
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
    print_line(f"wrote {counted(len(lines), 'answer')} to {output}")


def print_line(line: str) -> None:
    """A line on standard output, as it is."""
    sys.stdout.write(line + "\n")


def _accuracies(results: Mapping[str, object] | None) -> dict[tuple[str, str, int], str]:
    methods = results["methods"] if results else []
    assert isinstance(methods, list)
    return {
        (
            method.get("student", ""),
            method["method"],
            student["seed"],
        ): percent(student["score"]["accuracy"])
        for method in methods
        if method["rows"] is None
        for student in method["students"]
    }


def _score_cells(score: Score) -> tuple[str, str]:
    return percent(score.accuracy), interval(score.low, score.high)


def _share(score: Score) -> str:
    return f"{percent(score.accuracy)} ({interval(score.low, score.high)})"


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
