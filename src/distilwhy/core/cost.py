"""What a teacher costs, what a student costs, and when the one has paid for the other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

NOTHING = Decimal(0)
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Prices:
    """What is paid, in one currency.

    Attributes:
        currency: As it is written, such as ``USD``.
        input: For a million tokens that the teacher reads.
        output: For a million tokens that it writes.
        cached_input: For a million tokens that it reads from a cache; None: as any other.
        batch_discount: The share taken off what goes by the batch interface.
        machine_hour: For an hour of the machine that the student is trained and asked on.
    """

    currency: str
    input: float
    output: float
    cached_input: float | None = None
    batch_discount: float = 0.5
    machine_hour: float = 0.0

    def of(self, tokens: "Tokens") -> Decimal:
        """What tokens cost, to the last digit."""
        read, written, cached, share = self._exact
        full = (tokens.input - tokens.cached) * read + tokens.cached * cached
        full = (full + tokens.output * written) / _MILLION
        return full * share if tokens.batch else full

    def of_all(self, tokens: Iterable["Tokens"]) -> float:
        """What the tokens of several calls cost."""
        return float(sum(map(self.of, tokens), NOTHING))

    def dearest(self, read: int, written: int) -> "Tokens":
        """As many tokens, read in the dearer of the two ways."""
        fresh, _, cached, _ = self._exact
        return Tokens(read, written, read if cached > fresh else 0)

    @cached_property
    def _exact(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """The prices as they were typed, and the share of them that a batch costs."""
        cached = self.input if self.cached_input is None else self.cached_input
        read, written, kept, off = (
            Decimal(str(price)) for price in (self.input, self.output, cached, self.batch_discount)
        )
        return read, written, kept, 1 - off


@dataclass(frozen=True)
class Tokens:
    """What a teacher read and wrote; ``cached`` is the part of ``input`` read from a cache."""

    input: int = 0
    output: int = 0
    cached: int = 0
    batch: bool = False


@dataclass
class Budget:
    """A cap, and what has gone from it: what is settled, and what is out.

    Nothing is sent before ``reserve`` has put its worst case aside; what was sent stays out
    until what it cost is settled, so that the cap holds however much is under way.

    Attributes:
        cap: The most that may be spent.
        settled: What was spent, or may have been where nobody can tell.
        out: The worst case of all that is under way.
        advance: What is written down for that, so that a killed run is known to have had it out.
    """

    cap: Decimal
    settled: Decimal = NOTHING
    out: Decimal = NOTHING
    advance: Decimal = NOTHING

    @property
    def left(self) -> Decimal:
        """What is neither settled nor out."""
        return self.cap - self.settled - self.out

    def reserve(self, amount: Decimal) -> bool:
        """Put an amount aside, if it is there."""
        if amount > self.left:
            return False
        self.out += amount
        return True

    def settle(self, reserved: Decimal, cost: Decimal) -> None:
        """What was put aside has cost so much."""
        self.out -= reserved
        self.settled += cost

    def raise_advance(self) -> Decimal | None:
        """What to write down before the next call is sent; None where enough is written.

        It doubles, so that it is written seldom.
        """
        if self.out <= self.advance:
            return None
        self.advance = min(2 * self.out, self.out + self.left)
        return self.advance


@dataclass(frozen=True)
class Usage:
    """What was measured.

    Attributes:
        calls: Answers of the teacher in the ledger.
        input_tokens: All that they read, as far as the teacher counted.
        output_tokens: All that they wrote, as far as the teacher counted.
        counted: The calls whose tokens the teacher counted.
        rows: The rows that were answered; one whose every call failed is not.
        training_seconds: Of the student that is shown.
        student_rows_per_second: How fast that student answers.
        teacher_rows_per_second: How fast the teacher answered; None where that was not timed.
        explanations: Of the calls, those that asked why the gold label is right.
    """

    calls: int
    input_tokens: int
    output_tokens: int
    counted: int
    rows: int
    training_seconds: float
    student_rows_per_second: float
    teacher_rows_per_second: float | None = None
    explanations: int = 0


@dataclass(frozen=True)
class Bill:
    """What was spent, and when it is earned back; None where no prices or no counts are known.

    Attributes:
        spent: On the teacher's answers.
        teacher_per_1000: What the teacher's answers cost for 1,000 rows; where it is deployed
            nothing is explained.
        student_per_1000: What the student costs for 1,000 rows, on the priced machine.
        training: What the machine cost to train the student.
        break_even: After how many rows the student has paid for itself: (spent + training) /
            (teacher's − student's price of a row); None also where the student is dearer.
    """

    usage: Usage
    prices: Prices | None
    spent: float | None = None
    teacher_per_1000: float | None = None
    student_per_1000: float | None = None
    training: float | None = None
    break_even: int | None = None


def settle(
    usage: Usage,
    prices: Prices | None,
    answers: Sequence[Tokens],
    explanations: Sequence[Tokens] = (),
) -> Bill:
    """The bill of a study. Calls whose tokens were not counted are taken as the others' mean.

    Args:
        answers: Of the calls for answers whose tokens were counted.
        explanations: The same of the calls that asked why the gold label is right.
    """
    if prices is None or not answers or not usage.counted or not usage.rows:
        return Bill(usage, prices)
    for_answers = prices.of_all(answers)
    spent = (for_answers + prices.of_all(explanations)) / usage.counted * usage.calls
    hour = prices.machine_hour / 3600
    teacher_row = for_answers / len(answers) * (usage.calls - usage.explanations) / usage.rows
    student_row = hour / usage.student_rows_per_second if usage.student_rows_per_second else 0.0
    training = hour * usage.training_seconds
    saved = teacher_row - student_row
    return Bill(
        usage,
        prices,
        spent=spent,
        teacher_per_1000=1000 * teacher_row,
        student_per_1000=1000 * student_row,
        training=training,
        break_even=-int(-(spent + training) // saved) if saved > 0 else None,
    )
