"""Estimates, costs and batches in words, for every command that mentions them."""

from collections.abc import Callable

from distilwhy.core.estimate import Estimate, Range
from distilwhy.core.wording import counted, money, rough_count, rough_duration, text_range
from distilwhy.pipeline.annotate.budget import Spending
from distilwhy.pipeline.annotate.recorded_ids import MatchedIds


def describe_estimate(found: Estimate, currency: str) -> str:
    """The calls, cost, tokens and time of an estimate, on one line."""
    parts = [counted(found.calls, "call")]
    if found.cost is not None:
        parts.append(f"{_range(money, found.cost)} {currency}")
    read, written = _tokens(found.input), _tokens(found.output)
    parts.append(f"{read} input and {written} output tokens ({found.source})")
    if found.seconds is not None:
        parts.append(_range(rough_duration, found.seconds))
    if found.batch:
        parts.append("in batches, each within 24 h")
    return ", ".join(parts)


def describe_repaid(rows: int) -> str:
    """The rows that have answers to another prompt, or by another teacher."""
    return f"{counted(rows, 'row')} answered before with another prompt or by another teacher"


def describe_spending(found: Spending, currency: str) -> str:
    """What was billed, on one line."""
    certain = money(found.certain, currency)
    if not found.possible:
        return certain
    return (
        f"{certain}, and up to {money(found.possible, currency)} for calls whose cost is unknown: "
        "lost, in flight, or without a token count"
    )


def describe_ids(found: MatchedIds) -> str:
    """How recorded ids match the rows, on one line."""
    have = "has" if found.rows == 1 else "have"
    line = f"{found.answered:,} of {counted(found.rows, 'row')} {have} a recorded completion"
    if found.edited:
        line += f"; {counted(found.edited, 'answer')} edited since the export"
    if not found.unknown:
        return line
    match = "matches" if found.unknown == 1 else "match"
    unknown = counted(found.unknown, "recorded id")
    return f"{line}; {unknown} {match} no row, such as {found.example!r}"


def describe_batches(batches: int, calls: int) -> str:
    """The batches in progress: ``2 batches of 61,500 calls``."""
    return f"{counted(batches, 'batch', 'batches')} of {counted(calls, 'call')}"


def _tokens(found: Range) -> str:
    """An exact number, or both ends of a range to two digits."""
    if found.low == found.high:
        return f"{found.low:,.0f}"
    return _range(rough_count, found)


def _range(render: Callable[[float], str], ends: Range) -> str:
    return text_range(render(ends.low), render(ends.high))
