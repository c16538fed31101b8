"""The bill of a study in words."""

from dataclasses import dataclass

from distilwhy.core.cost import Bill, Prices
from distilwhy.core.wording import count, counted, duration, large, money

UNKNOWN = "unknown"
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
    """What was measured, what it cost, and when the student has paid for itself."""
    return [*_measured(bill), *_priced(bill)]


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


def _measured(bill: Bill) -> list[Line]:
    usage = bill.usage
    some = usage.counted < usage.calls
    counts = f"reported for {counted(usage.counted, 'answer')}" if some else ""
    tokens = f"{large(usage.input_tokens)} read, {large(usage.output_tokens)} written"
    lines = [
        Line("Teacher answers", count(usage.calls), f"for {counted(usage.rows, 'row')}"),
        Line("Tokens", tokens if usage.counted else UNKNOWN, counts),
        Line("Training the student", duration(usage.training_seconds), "first seed"),
        Line("Student, rows per second", large(usage.student_rows_per_second)),
    ]
    if usage.teacher_rows_per_second is None:
        return [*lines, Line("Teacher, rows per second", UNKNOWN, "not timed")]
    times = usage.student_rows_per_second / usage.teacher_rows_per_second
    speed = large(usage.teacher_rows_per_second)
    faster = f"the student is {large(times)} times as fast"
    return [*lines, Line("Teacher, rows per second", speed, faster)]


def _priced(bill: Bill) -> list[Line]:
    free = bill.prices is not None and not bill.prices.machine_hour
    machine = "set prices.machine_hour to include the machine" if free else ""
    return [
        Line("Spent on the teacher", _amount(bill.spent, bill.prices)),
        Line("1,000 rows with the teacher", _amount(bill.teacher_per_1000, bill.prices)),
        Line("1,000 rows with the student", _amount(bill.student_per_1000, bill.prices), machine),
        Line("Machine time to train the student", _amount(bill.training, bill.prices)),
        _break_even(bill),
    ]


def _break_even(bill: Bill) -> Line:
    what = "The student has paid for itself"
    if bill.spent is None:
        return Line(what, UNKNOWN)
    if bill.break_even is None:
        return Line(what, "never", "the student costs at least as much per row as the teacher")
    return Line(what, f"after {counted(bill.break_even, 'row')}")


def _amount(amount: float | None, prices: Prices | None) -> str:
    return UNKNOWN if amount is None or prices is None else money(amount, prices.currency)
