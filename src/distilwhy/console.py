"""What a person sees: live bars in a terminal, plain lines elsewhere, tables in both."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table

from distilwhy.board import Board
from distilwhy.core.annotation import OUTCOMES
from distilwhy.core.cell import MAIN, Cell
from distilwhy.core.curve import Efficiency
from distilwhy.core.findings import Findings, MethodScore
from distilwhy.core.metrics import Score
from distilwhy.core.results import Prediction, Tally
from distilwhy.offers import (
    describe_batches,
    describe_estimate,
    describe_spending,
    describe_strategy,
)
from distilwhy.report.scores import method_rows
from distilwhy.students.processes import is_main

if TYPE_CHECKING:
    from distilwhy.flows import experiment, keeper, plan, run, status, train
    from distilwhy.flows.forecast import Forecast
    from distilwhy.students.preflight import Preflight
    from distilwhy.students.training import Report, Trained

PLAIN_LINE_EVERY_S = 5.0
_OUTCOMES = (*OUTCOMES, "not asked")


class Progress:
    """Shows how a command gets on: bars on a terminal, now and then a line elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live = self._console.is_terminal and is_main()
        self._bars = Bars(
            TextColumn("{task.description:<26}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            disable=not self._live,
        )
        self._board = Board()
        self._view = Live(get_renderable=self._draw, console=self._console, refresh_per_second=4)
        self._task: TaskID | None = None
        self._name = ""
        self._started = self._spoke = 0.0
        self._cells: dict[Cell, TaskID] = {}
        self._batches = 0
        self._has_waited = False
        self._said = ""

    def __enter__(self) -> Self:
        if self._live:
            self._view.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._view.stop()

    def _draw(self) -> Group:
        return Group(self._bars, self._board) if self._board.is_shown else Group(self._bars)

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(escape(line), soft_wrap=True)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leave the terminal to whoever asks a person something."""
        self._view.stop()
        try:
            yield
        finally:
            if self._live:
                self._view.start()

    def annotation(self, progress: "keeper.Progress") -> None:
        """Watch the teacher being asked."""
        new = progress.answered + progress.failed
        if new == 0 and not progress.batches:
            self._begin("teacher", progress.total, progress.from_ledger)
        note = f"{progress.from_ledger} from ledger"
        note += f", {progress.failed} failed" if progress.failed else ""
        note += f", {progress.lost} lost with a worker and asked again" if progress.lost else ""
        self._tell_batches(progress)
        if progress.batches:
            note += f", {progress.done_in_batches:,} of {progress.in_batches:,} in batches done"
            note += f"; {progress.trouble}" if progress.trouble else ""
        elif new and not self._has_waited:
            rate = new / max(1e-6, time.monotonic() - self._started)
            note += f", {rate:.1f} calls/s"
        # Batches may still bring answers to what is asked no more.
        self._move(min(progress.total, progress.from_ledger + new), progress.total, note)

    def _tell_batches(self, progress: "keeper.Progress") -> None:
        """Say how many batches there are, whenever that changes; at first, what that means."""
        known, self._batches = self._batches, progress.batches
        if progress.batches in (0, known):
            return
        self._has_waited = True
        said = f"{describe_batches(progress.batches, progress.in_batches)} with the endpoint"
        if not known:
            # How long it takes has nothing to do with how fast calls were answered one by one.
            self._begin("teacher", progress.total, progress.from_ledger)
            said += ", to be answered within 24 h; the same command goes on from here at any time"
        self.say(said)

    def training(self) -> "train.Watcher":
        """Watch students being trained."""
        from distilwhy.flows.train import Watcher

        return Watcher(
            begins=self._board.begin,
            finds=self._finds,
            fits=self._fits,
            plans=self._plans,
            ticks=self._ticks,
            reports=self._reports,
            ends=self._ends,
            stands=self._board.stand,
        )

    def watch(self) -> "run.Watch":
        """Watch a whole run."""
        from distilwhy.flows.run import Watch

        return Watch(self.annotation, self.training(), self.evaluation)

    def evaluation(self, done: int, students: int) -> None:
        """Watch students being scored."""
        if done == 0:
            self._begin("test rows", students, 0)
        self._move(done, students, "students asked")

    def _fits(self, student: str, preflight: "Preflight") -> None:
        trained = ""
        if preflight.trainable < preflight.parameters:
            trained = f", {preflight.trainable / 1e6:.1f} M trained"
        who = (student or MAIN) if self._board.has_several else "a student"
        self.say(
            f"{who}: {preflight.parameters / 1e6:.1f} M parameters{trained}, about "
            f"{preflight.memory / 2**30:.1f} GiB of {preflight.available / 2**30:.1f}"
        )
        self._begin("timing a few steps", None, 0)

    def _plans(self, forecast: "Forecast") -> None:
        self.say(
            f"{forecast.trainings} to train, {forecast.workers} at a time, {forecast.steps} steps "
            f"each: {_duration(forecast.seconds)}"
        )
        alike: dict[tuple[str, str], list[str]] = {}
        for (student, method), seconds in forecast.each.items():
            alike.setdefault((student, _duration(seconds)), []).append(method)
        for (student, duration), methods in alike.items():
            who = f"{student or MAIN} by " if self._board.has_several else ""
            self.say(f"  {who}{', '.join(methods)}: {duration} each")
        self._begin("students", forecast.trainings, 0)

    def _ticks(self, cell: Cell, step: int, steps: int) -> None:
        if cell not in self._cells:
            name = escape(cell.label)
            self._cells[cell] = self._bars.add_task(name, total=steps, note="")
        self._bars.update(self._cells[cell], completed=step)

    def _reports(self, cell: Cell, report: "Report") -> None:
        losses = "  ".join(f"{task} {loss:.3f}" for task, loss in report.losses.items())
        said = f"loss {losses}  validation {report.validation_accuracy:.1%}"
        if cell in self._cells:
            self._bars.update(self._cells[cell], note=escape(said))
        if not self._live:
            self.say(f"{cell.label}: step {report.step}/{report.steps}  {said}")

    def _finds(self, standing: int, students: int) -> None:
        if standing:
            self.say(f"{standing} of {students} students are trained already")

    def _ends(self, cell: Cell, trained: "Trained") -> None:
        self.say(
            f"{cell.label}: validation {trained.validation_accuracy:.1%} at step "
            f"{trained.best_step}, {_exactly(trained.seconds)}"
        )
        for part, found in trained.truncation.items():
            if found.cut:
                self.say(
                    f"  {found.cut} of {found.texts} {part} texts were cut to {found.limit} "
                    f"tokens (longest {found.longest}); raise max_{part}_tokens to keep all"
                )
        if (bar := self._cells.pop(cell, None)) is not None:
            self._bars.remove_task(bar)
        if self._task is not None:
            self._bars.advance(self._task)

    def _begin(self, name: str, total: int | None, done: int) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._name, self._started, self._spoke = name, time.monotonic(), 0.0
        self._task = self._bars.add_task(escape(name), total=total, completed=done, note="")

    def _move(self, done: int, total: int, note: str) -> None:
        assert self._task is not None
        self._bars.update(self._task, completed=done, total=total, note=escape(note))
        now, line = time.monotonic(), f"{self._name}: {done}/{total}  {note}"
        is_due = done == total or now - self._spoke > PLAIN_LINE_EVERY_S
        if not self._live and is_due and line != self._said:
            self._spoke, self._said = now, line
            self.say(line)


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
    if findings.methods and findings.methods[0].score.seeds == 1:
        console.print("One seed each: the intervals leave out how much training itself varies.")
    console.print(f"\nreport:  {experiment.folder.page}", soft_wrap=True)


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
        done = {
            "explained": "explained anew",
            "unreasoned": "taught without their reasons",
            "dropped": "left out",
        }
        said = [f"{counts[key]} {what}" for key, what in done.items() if counts[key]]
        console.print(
            f"{counts['wrong']} of {counts['known']} train rows with gold had reasons for a wrong "
            f"label: {', '.join(said) or 'kept'}"
        )


def _show_efficiency(console: Console, found: Efficiency, who: str) -> None:
    """What more rows would bring a method, and how many it takes to match fine-tuning."""
    gain, method = found.gain, f"{who} {found.method}".lstrip()
    points = [f"{100 * share:+.1f}" for share in (gain.accuracy, gain.low, gain.high)]
    console.print(
        f"{method}: {found.more:,} rows more than {found.rows:,} are expected to bring "
        f"{points[0]} points ({points[1]} to {points[2]})"
    )
    if found.matches:
        rows, low, high = (f"{n:,}" if n else "more than twice as many" for n in found.matches)
        console.print(
            f"{method}: as good as finetune on all rows from {rows} rows ({low} to {high})"
        )


def show_next_steps(experiment: "experiment.Experiment") -> None:
    """What to try after a demo."""
    methods, seed = experiment.config.methods, experiment.config.seeds[0]
    if "step-by-step" in methods:
        student = experiment.folder.student(Cell("step-by-step", seed))
        text = experiment.splits.test[0].text.replace('"', "'")
        print_line(f'ask it:  distilwhy predict {student} --explain "{text}"')


def show_tallies(tallies: Mapping[str, Tally]) -> None:
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
            console.print(f"{name}: {tally.without_rationale} answers came without a rationale")


def _counts(tally: Tally) -> dict[str, int]:
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
        f"annotate   {found.calls} calls to {_teacher_name(config.teacher)}: "
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
    from distilwhy.store.run import publish_text

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


def _duration(seconds: float) -> str:
    """About so long, in words."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def _exactly(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


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
