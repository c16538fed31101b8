"""The bill of a study in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from distilwhy.core.cost import Bill
from distilwhy.core.wording import count, counted, duration, large, money

PRICES = """\
prices:
  currency: USD
  input: 2.50          # per million tokens that the teacher reads
  output: 10.00        # per million tokens that it writes
  machine_hour: 0.30   # per hour of the student's machine
"""


@dataclass(frozen=True)
class Line:
    """One line of the bill; ``why`` explains the amount, or is ""."""

    what: str
    amount: str
    why: str = ""


def bill_lines(bill: Bill) -> list[Line]:
    """What was measured, what it cost, and when the student has paid for itself, as far as that
    is known."""
    return [*_measured(bill), *_priced(bill)]


def cost_sentence(bill: Bill) -> str:
    """What student and teacher cost and how fast they are, as far as that is known."""
    usage, prices = bill.usage, bill.prices
    student = f"{large(usage.student_rows_per_second)} rows per second"
    said = f"On this machine the student answers {student}"
    if usage.teacher_rows_per_second is not None:
        said += f", the teacher {large(usage.teacher_rows_per_second)}"
    if prices is None or bill.teacher_per_1000 is None or bill.student_per_1000 is None:
        return f"{said}."
    teacher = money(bill.teacher_per_1000, prices.currency)
    if not prices.machine_hour:
        return f"{said}; 1,000 rows with the teacher cost {teacher}."
    cheap = money(bill.student_per_1000)
    return f"{said}; 1,000 rows cost {cheap} with the student and {teacher} with the teacher."


def missing(bill: Bill) -> str:
    """Why the costs are unknown and what to do about it; "" if they are known."""
    usage = bill.usage
    if bill.spent is not None:
        return ""
    if not usage.calls or not usage.rows:
        return "The run folder holds no teacher answers, so there is nothing to bill."
    said = []
    if bill.prices is None:
        said.append(
            "The costs are unknown because the experiment file has no prices. Add them under "
            "“prices” and run “evaluate” again; nothing is asked or trained again."
        )
    if not usage.counted:
        said.append(
            "The teacher did not report how many tokens it read and wrote, so their cost cannot be "
            "computed; see the provider's bill."
        )
    return " ".join(said)


def _measured(bill: Bill) -> Iterator[Line]:
    usage = bill.usage
    yield Line("Teacher answers", count(usage.calls), f"for {counted(usage.rows, 'row')}")
    if usage.counted:
        some = usage.counted < usage.calls
        counts = f"reported for {counted(usage.counted, 'answer')}" if some else ""
        tokens = f"{large(usage.input_tokens)} read, {large(usage.output_tokens)} written"
        yield Line("Tokens", tokens, counts)
    trained = ", ".join(part for part in (bill.method, "first seed") if part)
    yield Line("Training the student", duration(usage.training_seconds), trained)
    yield Line("Student, rows per second", large(usage.student_rows_per_second))
    if usage.teacher_rows_per_second is not None:
        times = usage.student_rows_per_second / usage.teacher_rows_per_second
        faster = f"the student is {large(times)} times as fast" if times >= 1 else ""
        yield Line("Teacher, rows per second", large(usage.teacher_rows_per_second), faster)


def _priced(bill: Bill) -> Iterator[Line]:
    if bill.prices is None:
        return
    free = "" if bill.prices.machine_hour else "set prices.machine_hour to include the machine"
    amounts = (
        ("Spent on the teacher", bill.spent, ""),
        ("1,000 rows with the teacher", bill.teacher_per_1000, ""),
        ("1,000 rows with the student", bill.student_per_1000, free),
        ("Machine time to train the student", bill.training, ""),
    )
    for what, amount, why in amounts:
        if amount is not None:
            yield Line(what, money(amount, bill.prices.currency), why)
    if bill.spent is not None:
        yield _break_even(bill.break_even)


def _break_even(rows: int | None) -> Line:
    what = "The student has paid for itself"
    if rows is None:
        return Line(what, "never", "the student costs at least as much per row as the teacher")
    return Line(what, f"after {counted(rows, 'row')}")
