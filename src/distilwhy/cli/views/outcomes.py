"""The annotations of each split by outcome."""

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from distilwhy.cli.console import open_console
from distilwhy.core.parsing.completion import OUTCOMES
from distilwhy.core.stats.comparisons import OutcomeCounts
from distilwhy.core.stats.scores import Score
from distilwhy.core.wording import count, interval, percent
from distilwhy.report.sentences import parse_cautions


def print_outcomes(counts: Mapping[str, OutcomeCounts]) -> None:
    """Print the table, one problem of each split as an example, and a warning if few answers
    could be parsed."""
    console = open_console()
    console.print(outcome_table(counts))
    for split, found in counts.items():
        if found.problem:
            row, problem = found.problem
            console.print(f"Problem, e.g. {split} row {row}: {problem}", markup=False)
    for caution in parse_cautions(counts):
        console.print(caution, style="yellow", markup=False)


def outcome_table(counts: Mapping[str, OutcomeCounts]) -> Table:
    """A table with one column a split, and rows for the outcomes and the teacher's accuracy."""
    table = Table.grid(padding=(0, 3))
    table.add_column()
    for _ in counts:
        table.add_column(justify="right")
    table.add_row(Text("Annotations", style="bold"), *counts)
    for name, cells in _rows(list(counts.values())):
        table.add_row(name, *cells)
    return table


def _rows(splits: Sequence[OutcomeCounts]) -> Iterator[tuple[str, list[str]]]:
    yield "rows", [count(split.rows) for split in splits]
    counts = {outcome: [split.outcomes[outcome] for split in splits] for outcome in OUTCOMES}
    others = {
        "not asked": [split.rows - split.asked for split in splits],
        "saw gold label": [split.saw_gold for split in splits],
        "two answers": [split.two_answers for split in splits],
        "no rationale": [split.without_rationale for split in splits],
    }
    for name, numbers in [*counts.items(), *others.items()]:
        if name == "ok" or any(numbers):
            yield name, [count(number) for number in numbers]
    shares = [split.parsed_share for split in splits]
    all_parsed = all(share in (None, 1) for share in shares)
    if not all_parsed:
        yield "parsed", ["" if share is None else percent(share) for share in shares]
    if any(split.score for split in splits):
        yield from _accuracies("accuracy", splits, [split.score for split in splits])
        if not all_parsed:
            parsed = [split.parsed_score for split in splits]
            yield from _accuracies("accuracy if parsed", splits, parsed)


def _accuracies(
    name: str, splits: Sequence[OutcomeCounts], scores: Sequence[Score | None]
) -> Iterator[tuple[str, list[str]]]:
    yield name, [_accuracy(*pair) for pair in zip(splits, scores, strict=True)]
    yield "  95 % interval", [interval(s.low, s.high) if s else "" for s in scores]


def _accuracy(split: OutcomeCounts, score: Score | None) -> str:
    if score:
        return percent(score.accuracy)
    return "saw gold" if split.saw_gold else "no gold" if split.asked else ""
