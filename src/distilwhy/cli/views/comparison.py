"""Experiments side by side: their teachers and their students."""

from collections.abc import Sequence

from distilwhy.cli.console import make_table, open_console
from distilwhy.cli.describe import describe_spending
from distilwhy.cli.output import print_json, print_line
from distilwhy.core.persisted import to_plain
from distilwhy.core.stats.scores import LEVEL, Score
from distilwhy.core.wording import counted, interval, percent, points, probability
from distilwhy.pipeline.comparison import ComparedExperiment


def print_comparison(found: Sequence[ComparedExperiment], as_json: bool) -> None:
    """Print the teachers on the rows that all have answered, then the students' accuracies."""
    if as_json:
        print_json([to_plain(one) for one in found])
        return
    rows = counted(found[0].counts.rows, "row")
    table = make_table(
        f"Teachers on {rows} that all of them have answered",
        *("experiment", "teacher", "strategy", "parsed", "accuracy", "95 % interval", "if parsed"),
        *(["spent"] if any(one.spent for one in found) else []),
        names=3,
    )
    for one in found:
        score, parsed, share = one.counts.score, one.counts.parsed_score, one.counts.parsed_share
        table.add_row(
            one.file,
            one.teacher or "recorded",
            one.strategy,
            "" if share is None else percent(share),
            percent(score.accuracy) if score else "",
            interval(score.low, score.high) if score else "",
            percent(parsed.accuracy) if parsed else "",
            *([describe_spending(one.spent, one.currency)] if one.spent else []),
        )
    console = open_console()
    console.print(table)
    for one in found:
        if one.against_first:
            print_line(_describe_difference(one, found[0]))
    _print_students(found)


def _describe_difference(one: ComparedExperiment, first: ComparedExperiment) -> str:
    assert one.against_first is not None
    difference = one.against_first
    return (
        f"{one.file} against {first.file}: {points(difference.difference)} points (95 % CI "
        f"{points(difference.low)} to {points(difference.high)}, "
        f"{probability(difference.p, LEVEL)})"
    )


def _print_students(found: Sequence[ComparedExperiment]) -> None:
    names = dict.fromkeys(name for one in found for name in one.students)
    if not names:
        print_line("No student is evaluated yet.")
        return
    table = make_table("Test accuracy of students", "method", *(one.file for one in found))
    for name in names:
        scores = [one.students.get(name) for one in found]
        table.add_row(name, *(_describe_score(score) if score else "" for score in scores))
    console = open_console()
    console.print()
    console.print(table)


def _describe_score(score: Score) -> str:
    return f"{percent(score.accuracy)} ({interval(score.low, score.high)})"
