"""What calls of a teacher will take, as ranges, before they are made."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from distilwhy.core.cost import Prices, Usage

BYTES_A_TOKEN = 4.0
SPREAD = 0.3
ENOUGH = 5
Z = 1.96


@dataclass(frozen=True)
class Range:
    """Between a low and a high value, likely."""

    low: float
    high: float

    def times(self, factor: float) -> "Range":
        """Both ends so many times."""
        return Range(self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Measured:
    """One answered call: bytes sent, tokens read and written, seconds taken."""

    sent: int
    input: int
    output: int
    seconds: float | None = None


@dataclass(frozen=True)
class Counted:
    """Prompts whose tokens a tokenizer counted: all that are to be sent, or some, spread over all.

    Attributes:
        by: The tokenizer, in words.
        sent: The bytes of each.
        tokens: The tokens of each.
    """

    by: str
    sent: Sequence[int]
    tokens: Sequence[int]


@dataclass(frozen=True)
class Estimate:
    """What so many calls will take.

    Attributes:
        calls: How many.
        input: Tokens read, in all.
        output: Tokens written, in all.
        cost: In the currency of the prices; None without any.
        seconds: Until all are answered; None where no call was ever timed, and for batches.
        source: Where the figures come from, in words.
        batch: Whether they go by the batch interface.
    """

    calls: int
    input: Range
    output: Range
    cost: Range | None
    seconds: Range | None
    source: str
    batch: bool = False


@dataclass(frozen=True)
class Pace:
    """What bounds how fast calls are made."""

    concurrency: int
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


def estimate(
    calls: int,
    sent: int,
    known: Sequence[Measured],
    pace: Pace,
    prices: Prices | None,
    *,
    reply: float,
    longest: int | None,
    counted: Counted | None = None,
    batch: bool = False,
) -> Estimate:
    """What the missing calls will take.

    With five answered calls or more the rest is taken to be like them: tokens a byte and tokens
    a reply, with the 95 % interval of their means. With fewer, a token is four bytes, give or
    take 30 %, and a reply is half to twice as long as the exemplars' replies. Where a tokenizer
    counted the prompts, what is read is what it counted.

    Args:
        calls: The calls to make.
        sent: Their bytes in all.
        known: The answered calls.
        reply: The mean bytes of the replies that the prompt shows; 0 if it shows none.
        longest: The most tokens that a reply may have.
        counted: Calls to make whose tokens were counted.
        batch: Whether they go by the batch interface, at its price and in its own time.
    """
    if len(known) >= ENOUGH:
        density = _mean([call.input / call.sent for call in known])
        length = _mean([float(call.output) for call in known])
        source = f"measured on {len(known)} answers"
    else:
        density = Range((1 - SPREAD) / BYTES_A_TOKEN, (1 + SPREAD) / BYTES_A_TOKEN)
        length = _guess(reply, longest)
        source = f"at {BYTES_A_TOKEN:g} bytes a token"
    read, written = density.times(sent), length.times(calls)
    if counted is not None and counted.tokens:
        read = _extrapolate(counted, calls, sent)
        some = f" on {len(counted.tokens):,} prompts" if len(counted.tokens) < calls else ""
        known_by = f", replies {source}" if len(known) >= ENOUGH else ""
        source = f"counted{some} by {counted.by}{known_by}"
    if longest is not None:
        written = Range(*(min(end, longest * calls) for end in (written.low, written.high)))
    cost = None if prices is None else _cost(read, written, prices, batch)
    seconds = None if batch else _time(calls, read, written, known, pace)
    return Estimate(calls, read, written, cost, seconds, source, batch)


def _extrapolate(counted: Counted, calls: int, sent: int) -> Range:
    """What all prompts have, at the tokens a byte by which those that were counted differ, with
    its 95 % interval: the regression estimator (Cochran 1977, *Sampling Techniques*, chapter 7).
    """
    count, mean = len(counted.tokens), fmean(counted.tokens)
    if count >= calls:
        return Range(mean * calls, mean * calls)
    centre = fmean(counted.sent)
    both = [(b - centre, t - mean) for b, t in zip(counted.sent, counted.tokens, strict=True)]
    differences = sum(x * x for x, _ in both)
    slope = sum(x * y for x, y in both) / differences if differences else 0.0
    missed = sum((y - slope * x) ** 2 for x, y in both) / max(1, count - 2)
    total = calls * mean + slope * (sent - calls * centre)
    reach = Z * calls * sqrt(missed * (1 - count / calls) / count)
    return Range(total - reach, total + reach)


def _guess(reply: float, longest: int | None) -> Range:
    if reply:
        return Range(reply / BYTES_A_TOKEN / 2, 2 * reply / BYTES_A_TOKEN)
    return Range(20.0, float(longest or 1000))


def _mean(values: Sequence[float]) -> Range:
    mean = fmean(values)
    reach = Z * stdev(values) / sqrt(len(values))
    return Range(max(0.0, mean - reach), mean + reach)


def _cost(read: Range, written: Range, prices: Prices, batch: bool) -> Range:
    low, high = (
        prices.of(Usage(round(r), round(w), batch=batch))
        for r, w in ((read.low, written.low), (read.high, written.high))
    )
    return Range(float(low), float(high))


def _time(
    calls: int, read: Range, written: Range, known: Sequence[Measured], pace: Pace
) -> Range | None:
    timed = [call.seconds for call in known if call.seconds is not None]
    if len(timed) < ENOUGH:
        return None
    rounds = _mean(timed).times(calls / pace.concurrency)
    least = [0.0]
    if pace.requests_per_minute:
        least.append(60 * calls / pace.requests_per_minute)
    if pace.tokens_per_minute:
        least.append(60 * (read.low + written.low) / pace.tokens_per_minute)
    return Range(max(rounds.low, *least), max(rounds.high, *least))
