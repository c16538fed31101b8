"""What a teacher and a student cost, and when the student has paid for the teacher."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Self

NOTHING = Decimal(0)
# No model reads or writes more in one call: a larger count is a mistake, and counts as none.
MOST_TOKENS = 10_000_000
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Usage:
    """Tokens that a teacher read and wrote, for one call or several.

    ``cached`` is the part of ``input`` read from a cache; with ``batch``, the batch price applies.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    batch: bool = False

    def __add__(self, other: Self) -> "Usage":
        """The tokens of both; at the batch price only if it applies to both."""
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.batch and other.batch,
        )


@dataclass(frozen=True)
class Prices:
    """Prices, in one currency.

    Attributes:
        input: Per million tokens that the teacher reads.
        output: Per million tokens that it writes.
        cached_input: Per million tokens that it reads from a cache; None: as ``input``.
        batch_discount: The share taken off calls made through the batch interface.
        machine_hour: Per hour of the machine that trains and runs the student.
    """

    currency: str
    input: float
    output: float
    cached_input: float | None = None
    batch_discount: float = 0.5
    machine_hour: float = 0.0

    def of(self, usage: Usage) -> Decimal:
        """The exact cost of some tokens."""
        read, written, cached, share = self._exact
        full = (usage.input - usage.cached) * read + usage.cached * cached
        full = (full + usage.output * written) / _MILLION
        return full * share if usage.batch else full

    def of_all(self, usages: Iterable[Usage]) -> float:
        """The cost of several calls."""
        return float(sum(map(self.of, usages), NOTHING))

    def dearest(self, read: int, written: int) -> Usage:
        """So many tokens, read at the higher of the two input prices."""
        fresh, _, cached, _ = self._exact
        return Usage(read, written, read if cached > fresh else 0)

    @cached_property
    def _exact(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """The three prices as typed, and the share of them that a batch costs."""
        cached = self.input if self.cached_input is None else self.cached_input
        read, written, kept, off = (
            Decimal(str(price)) for price in (self.input, self.output, cached, self.batch_discount)
        )
        return read, written, kept, 1 - off


@dataclass(frozen=True)
class Measurements:
    """What the bill of a study is computed from.

    Attributes:
        calls: The teacher's answers in the ledger.
        counted: The calls whose tokens the teacher counted.
        rows: The rows that were answered; a row whose calls all failed is not.
        teacher_rows_per_second: How fast the teacher answered; None if that was not timed.
        explanations: The calls that asked why the gold label is right.
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
    """What a study cost and when it pays off. Amounts are None without prices or token counts.

    Attributes:
        spent: On the teacher's answers.
        teacher_per_1000: The teacher's price for 1,000 rows, without explanations, which a
            deployed teacher is not asked for.
        student_per_1000: The student's price for 1,000 rows, on the priced machine.
        break_even: The number of rows after which the student has paid for itself:
            (spent + training) / (teacher's − student's price of a row); also None if the student
            costs as much per row.
        method: The method of the student that is priced; "" if it is not recorded.
    """

    usage: Measurements
    prices: Prices | None
    spent: float | None = None
    teacher_per_1000: float | None = None
    student_per_1000: float | None = None
    training: float | None = None
    break_even: int | None = None
    method: str = ""


def settle(
    measured: Measurements,
    prices: Prices | None,
    answers: Sequence[Usage],
    explanations: Sequence[Usage] = (),
) -> Bill:
    """The bill of a study. Calls without token counts are assumed to cost the others' mean.

    Args:
        answers: The tokens of each answer that the teacher counted them for.
        explanations: The same for calls that asked why the gold label is right.
    """
    if prices is None or not answers or not measured.counted or not measured.rows:
        return Bill(measured, prices)
    for_answers = prices.of_all(answers)
    spent = (for_answers + prices.of_all(explanations)) / measured.counted * measured.calls
    hour = prices.machine_hour / 3600
    answer_calls = measured.calls - measured.explanations
    teacher_row = for_answers / len(answers) * answer_calls / measured.rows
    pace = measured.student_rows_per_second
    student_row = hour / pace if pace else 0.0
    training = hour * measured.training_seconds
    saved = teacher_row - student_row
    return Bill(
        measured,
        prices,
        spent=spent,
        teacher_per_1000=1000 * teacher_row,
        student_per_1000=1000 * student_row,
        training=training,
        break_even=-int(-(spent + training) // saved) if saved > 0 else None,
    )
