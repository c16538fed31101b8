"""The bill of a study in words, with what is not known named as such."""

from dataclasses import dataclass

from distilwhy.core.cost import Bill, Prices
from distilwhy.report.words import count, counted, duration, large, money

UNKNOWN = "not known"
PRICES = """\
prices:
  currency: USD
  input: 2.50          # for a million tokens that the teacher reads
  output: 10.00        # for a million tokens that it writes
  machine_hour: 0.30   # for an hour of the student's machine
"""


@dataclass(frozen=True)
class Line:
    """One line of the bill; ``why`` says more where more is to be said."""

    what: str
    amount: str
    why: str = ""


def bill_lines(bill: Bill) -> list[Line]:
    """What was measured, what it cost, and when it is earned back."""
    return [*_measured(bill), *_priced(bill)]


def missing(bill: Bill) -> str:
    """Why the bill is not known, and what to do about it; "" where it is known."""
    usage = bill.usage
    if bill.spent is not None:
        return ""
    if not usage.calls or not usage.rows:
        return "No answer of a teacher is on record, so there is nothing to bill."
    said = []
    if bill.prices is None:
        said.append(
            "What this cost is not known, as the experiment file names no prices. Write them there "
            "under “prices”, then run “evaluate” and “report”: nothing is asked or trained again."
        )
    if not usage.counted:
        said.append(
            "The teacher did not say how many tokens it read and wrote, and without them there is "
            "no sum to be made; take them from its provider's bill."
        )
    return " ".join(said)


def _measured(bill: Bill) -> list[Line]:
    usage = bill.usage
    some = usage.counted < usage.calls
    counts = f"counted by the teacher for {count(usage.counted)} of them" if some else ""
    tokens = f"{large(usage.input_tokens)} read, {large(usage.output_tokens)} written"
    lines = [
        Line("Answers of the teacher", count(usage.calls), f"on {counted(usage.rows, 'row')}"),
        Line("Their tokens", tokens if usage.counted else UNKNOWN, counts),
        Line("Training of the student", duration(usage.training_seconds), "the first seed's"),
        Line("The student answers, rows a second", large(usage.student_rows_per_second)),
    ]
    if usage.teacher_rows_per_second is None:
        return [*lines, Line("The teacher answers, rows a second", UNKNOWN, "not timed")]
    times = usage.student_rows_per_second / usage.teacher_rows_per_second
    speed = large(usage.teacher_rows_per_second)
    faster = f"the student is {large(times)} times as fast"
    return [*lines, Line("The teacher answers, rows a second", speed, faster)]


def _priced(bill: Bill) -> list[Line]:
    free = bill.prices is not None and not bill.prices.machine_hour
    machine = "the machine is priced at nothing: set prices.machine_hour" if free else ""
    return [
        Line("Spent on the teacher", _amount(bill.spent, bill.prices)),
        Line("1,000 rows by the teacher", _amount(bill.teacher_per_1000, bill.prices)),
        Line("1,000 rows by the student", _amount(bill.student_per_1000, bill.prices), machine),
        Line("Machine time to train the student", _amount(bill.training, bill.prices)),
        _break_even(bill),
    ]


def _break_even(bill: Bill) -> Line:
    what = "The student has paid for itself"
    if bill.spent is None:
        return Line(what, UNKNOWN)
    if bill.break_even is None:
        return Line(what, "never", "a row costs no less by the student than by the teacher")
    return Line(what, f"after {counted(bill.break_even, 'row')}")


def _amount(amount: float | None, prices: Prices | None) -> str:
    return UNKNOWN if amount is None or prices is None else money(amount, prices.currency)
