"""Estimates the tokens, cost and time of calls before they are made."""

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
    """A range of likely values."""

    low: float
    high: float

    def times(self, factor: float) -> "Range":
        """Both ends multiplied by a factor."""
        return Range(self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Measured:
    """An answered call: bytes sent, tokens read and written, seconds taken."""

    sent: int
    input: int
    output: int
    seconds: float | None = None


@dataclass(frozen=True)
class Counted:
    """Token counts of prompts: of all that will be sent, or of a sample spread over them.

    ``by`` is the tokenizer, in words; ``sent`` are the bytes of each prompt.
    """

    by: str
    sent: Sequence[int]
    tokens: Sequence[int]


@dataclass(frozen=True)
class Estimate:
    """What a number of calls is expected to take.

    Attributes:
        cost: In the currency of the prices; None without prices.
        seconds: Until all are answered; None if no call was timed, and for batches.
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
    """The limits on how fast calls are made."""

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
    """Estimate what the missing calls will take.

    With five answered calls or more, the rest is assumed to be like them: 95 % intervals of the
    mean tokens per byte and tokens per reply. With fewer, a token is four bytes, give or take
    30 %, and a reply is half to twice as long as the exemplars' replies. Token counts of prompts
    replace the estimate of what is read.

    Args:
        sent: The bytes of all calls.
        reply: The mean bytes of the exemplars' replies; 0 without exemplars.
        longest: The most tokens of a reply; None if there is no limit.
        batch: Whether the batch interface is used, which has its own price and no known time.
    """
    if len(known) >= ENOUGH:
        density = _mean([call.input / call.sent for call in known])
        length = _mean([float(call.output) for call in known])
        source = f"measured on {len(known)} answers"
    else:
        density = Range((1 - SPREAD) / BYTES_A_TOKEN, (1 + SPREAD) / BYTES_A_TOKEN)
        length = Range(20.0, float(longest or 1000))
        if reply:
            length = Range(reply / BYTES_A_TOKEN / 2, 2 * reply / BYTES_A_TOKEN)
        source = f"at {BYTES_A_TOKEN:g} bytes a token"
    read, written = density.times(sent), length.times(calls)
    if counted is not None and counted.tokens:
        read = _extrapolate(counted, calls, sent)
        some = f" on {len(counted.tokens):,} prompts" if len(counted.tokens) < calls else ""
        known_by = f", replies {source}" if len(known) >= ENOUGH else ""
        source = f"counted{some} by {counted.by}{known_by}"
    if longest is not None:
        most = longest * calls
        written = Range(min(written.low, most), min(written.high, most))
    cost = None if prices is None else _cost(read, written, prices, batch)
    seconds = None if batch else _time(calls, read, written, known, pace)
    return Estimate(calls, read, written, cost, seconds, source, batch)


def _extrapolate(counted: Counted, calls: int, sent: int) -> Range:
    """The tokens of all prompts from those of a sample, with a 95 % interval: the regression
    estimator of tokens on bytes (Cochran 1977, *Sampling Techniques*, chapter 7)."""
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


def _mean(values: Sequence[float]) -> Range:
    mean = fmean(values)
    reach = Z * stdev(values) / sqrt(len(values))
    return Range(max(0.0, mean - reach), mean + reach)


def _cost(read: Range, written: Range, prices: Prices, batch: bool) -> Range:
    least = Usage(round(read.low), round(written.low), batch=batch)
    most = Usage(round(read.high), round(written.high), batch=batch)
    return Range(float(prices.of(least)), float(prices.of(most)))


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
