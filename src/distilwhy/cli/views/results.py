"""The results of an experiment: score tables, comparisons and cautions."""

from collections.abc import Sequence

from rich.console import Console

from distilwhy.cli.console import make_table, open_console
from distilwhy.cli.output import print_json, print_line
from distilwhy.cli.views.outcomes import print_outcomes
from distilwhy.core.results import UNTRAINED, MethodScore, Results
from distilwhy.core.stats.headline import describe_baselines
from distilwhy.core.stats.scores import Score
from distilwhy.core.wording import counted, counted_train_rows, interval, percent
from distilwhy.pipeline.experiment import Experiment
from distilwhy.report.bill import cost_sentence
from distilwhy.report.scores import method_rows
from distilwhy.report.sentences import cautions, efficiency_sentences, wrong_rationales
from distilwhy.report.teachers import describe_costs, describe_teachers


def print_results(results: Results, experiment: Experiment, as_json: bool = False) -> None:
    """Print the annotations, the scores of every student, and where the report is."""
    if as_json:
        print_json(results.as_json())
        return
    console = open_console()
    print_outcomes(results.teacher)
    for student in results.students:
        _print_student(console, results.of(student), results.call(student))
    if len(results.students) > 1:
        console.print()
        _print_side_by_side(console, results)
    if single := _single_seeds(results.methods):
        console.print(f"{single}: the intervals leave out the variance between trainings.")
    for lines in (describe_teachers(results), describe_costs(results)):
        if lines:
            console.print()
        for line in lines:
            console.print(line, markup=False)
    for caution in cautions(results):
        console.print(f"\n{caution}", style="yellow", markup=False)
    print_line(f"\n{results.headline.splitlines()[0]} {cost_sentence(results.bill)}")
    if results.cascade:
        print_line(f"\n{results.cascade}")
    print_line(f"\nReport: {experiment.folder.page}")


def _single_seeds(methods: Sequence[MethodScore]) -> str:
    """Names the methods that were trained with one seed only; "" if there are none."""
    single = dict.fromkeys(found.method for found in methods if found.score.seeds == 1)
    if single and all(found.score.seeds == 1 for found in methods):
        return "One seed each"
    return f"One seed of {', '.join(single)}" if single else ""


def _print_student(console: Console, results: Results, name: str) -> None:
    """One student on each number of train rows; ``name`` is "" if there is only one student."""
    sizes = list(dict.fromkeys(found.rows for found in results.methods))
    title = f"Test accuracy of {name}" if name else "Test accuracy"
    for rows in sizes:
        console.print()
        size = f", {counted_train_rows(rows)}" if len(sizes) > 1 else ""
        _print_size(console, results, rows, title + size)
    if results.efficiency:
        console.print()
    for found in results.efficiency:
        method = f"{name} {found.method}".lstrip()
        for sentence in efficiency_sentences(found):
            console.print(f"{method}: {sentence}")


def _print_size(console: Console, results: Results, rows: int | None, title: str) -> None:
    """The scores and comparisons on one number of train rows."""
    methods = [method for method in results.methods if method.rows == rows]
    _print_scores(console, title, methods, results)
    _print_comparisons(console, results, rows)
    for method in methods:
        if calls := method.students[0].teacher_calls:
            console.print(
                f"{method.method} needs the teacher at inference: {counted(calls, 'call')} for the "
                "test rows"
            )
    if done := wrong_rationales(methods):
        console.print(done)


def _print_comparisons(console: Console, results: Results, rows: int | None) -> None:
    """With the teacher, with those trivial baselines that are not beaten, and between methods."""
    for found in results.against_teacher:
        if found.rows == rows:
            words = found.comparison.describe("better", "worse")
            console.print(f"{found.method} against the {found.baseline}: {words}")
    for found in results.against_baselines:
        if found.rows == rows and not found.comparison.is_ahead:
            [sentence] = describe_baselines(found.method, [found])
            console.print(sentence.removesuffix("."))
    for found in results.comparisons:
        if found.rows == rows:
            words = found.comparison.words
            console.print(f"{found.method} against {found.baseline}: {words}")


def _print_scores(
    console: Console, title: str, methods: Sequence[MethodScore], results: Results
) -> None:
    several = any(method.score.seeds > 1 for method in methods)
    each = ["each seed"] if several else []
    table = make_table(title, "method", "accuracy", "95 % interval", "seeds", *each)
    if several:
        table.columns[-1].no_wrap, table.columns[-1].justify = False, "left"
    if (teacher := results.teacher.get("test")) and teacher.score:
        table.add_row("teacher", *_score_cells(teacher.score))
    for baseline in results.baselines:
        if baseline.rows == methods[0].rows or baseline.name == UNTRAINED:
            few = baseline.score.rows < methods[0].score.rows
            name = (
                f"{baseline.name}, {counted(baseline.score.rows, 'row')}" if few else baseline.name
            )
            table.add_row(name, *_score_cells(baseline.score))
    for method in methods:
        seeds = [percent(student.score.accuracy) for student in method.students]
        each = [" ".join(seeds)] if len(seeds) > 1 else []
        table.add_row(method.method, *_score_cells(method.score), str(len(seeds)), *each)
    console.print(table)


def _print_side_by_side(console: Console, results: Results) -> None:
    """All students on the largest number of train rows that they share, the best first."""
    rows = method_rows(results)
    sizes = list(dict.fromkeys(row.rows for row in rows))
    size = max(sizes, key=lambda size: len({row.student for row in rows if row.rows == size}))
    table = make_table(
        f"Students side by side, {size} train rows",
        *("student", "method", "accuracy", "95 % interval", "parameters", "size", "rows/s"),
        names=2,
    )
    for row in rows:
        if row.rows == size:
            measured = row.parameters, row.size, row.speed
            table.add_row(row.student, row.method, row.accuracy, row.interval, *measured)
    console.print(table)


def _score_cells(score: Score) -> tuple[str, str]:
    return percent(score.accuracy), interval(score.low, score.high)
