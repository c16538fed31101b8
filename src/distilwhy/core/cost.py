"""What a teacher costs, what a student costs, and when the one has paid for the other."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Prices:
    """What is paid, in one currency.

    Attributes:
        currency: As it is written, such as ``USD``.
        input: For a million tokens that the teacher reads.
        output: For a million tokens that it writes.
        machine_hour: For an hour of the machine that the student is trained and asked on.
    """

    currency: str
    input: float
    output: float
    machine_hour: float = 0.0


@dataclass(frozen=True)
class Usage:
    """What was measured.

    Attributes:
        calls: Answers of the teacher in the ledger.
        input_tokens: All that they read, as far as the teacher counted.
        output_tokens: All that they wrote, as far as the teacher counted.
        counted: The calls whose tokens the teacher counted.
        rows: The rows that those calls were about.
        training_seconds: Of the student that is shown.
        student_rows_per_second: How fast that student answers.
        teacher_rows_per_second: How fast the teacher answered; None where that was not timed.
    """

    calls: int
    input_tokens: int
    output_tokens: int
    counted: int
    rows: int
    training_seconds: float
    student_rows_per_second: float
    teacher_rows_per_second: float | None = None


@dataclass(frozen=True)
class Bill:
    """What was spent, and when it is earned back; None where no prices or no counts are known.

    Attributes:
        spent: On the teacher's answers.
        teacher_per_1000: What the teacher costs for 1,000 rows.
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


def settle(usage: Usage, prices: Prices | None) -> Bill:
    """The bill of a study. Calls whose tokens were not counted are taken as the others' mean."""
    if prices is None or not usage.counted or not usage.rows:
        return Bill(usage, prices)
    counted = usage.input_tokens * prices.input + usage.output_tokens * prices.output
    spent = counted / 1e6 / usage.counted * usage.calls
    hour = prices.machine_hour / 3600
    teacher_row = spent / usage.rows
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
