"""What a study found beside scores and comparisons, in sentences."""

from collections.abc import Sequence

from distilwhy.core.results import MethodScore, Results
from distilwhy.core.stats.curve import Efficiency
from distilwhy.report.words import count, counted, listed, points

# What may be done about reasons for a wrong label, as it is counted.
DONE = {
    "explained": "explained anew",
    "unreasoned": "taught without their reasons",
    "dropped": "left out",
}


def efficiency_sentences(found: Efficiency) -> list[str]:
    """What more rows would bring a method, and how many it takes to match fine-tuning."""
    gain = found.gain
    more = (
        f"{counted(found.more, 'row')} more than {count(found.rows)} are expected to bring "
        f"{points(gain.accuracy)} points ({points(gain.low)} to {points(gain.high)})."
    )
    return [more] if found.matches is None else [_matching(found), more]


def wrong_rationales(methods: Sequence[MethodScore]) -> str:
    """What was done about reasons for wrong labels: the same for every method that has any."""
    counts = next((found.wrong_rationales for found in methods if found.wrong_rationales), None)
    if not counts or not counts.get("wrong"):
        return ""
    done = [f"{count(counts[key])} {what}" for key, what in DONE.items() if counts.get(key)]
    return (
        f"Of {count(counts['known'])} annotated train rows with a gold label, "
        f"{count(counts['wrong'])} had reasons for a wrong label: "
        f"{listed(done) if done else 'kept as they were'}."
    )


def cautions(results: Results) -> list[str]:
    """What scores are not to be trusted for: students that are left out, or that learnt nothing."""
    said = []
    if results.one_answer:
        said.append(
            f"One and the same answer to every test row: that is what "
            f"{counted(results.one_answer, 'student')} gave, and so learnt nothing from the text. "
            "Their scores say nothing of the reasons. Try another training.lr, as a rule a lower "
            "one, or more training.steps."
        )
    if results.outdated:
        said.append(
            f"Out of date and left out: {counted(results.outdated, 'trained student')}, as the "
            "experiment or its annotations have changed since. 'run' brings them up to date, and "
            "'compare' those of a study."
        )
    return said


def seeds(results: Results) -> list[int]:
    """Every seed that a student was trained with."""
    return sorted({student.seed for found in results.methods for student in found.students})


def _matching(found: Efficiency) -> str:
    rows, low, high = found.matches or (None, None, None)
    if rows is None:
        reach = f"; it may with {_at_most(low, found)} rows" if low is not None else ""
        return (
            f"It does not get as far as finetune on all rows within {count(2 * found.rows)} train "
            f"rows{reach}."
        )
    fewer = " or fewer" if rows <= found.fewest else ""
    ends = "" if low == high == rows else f" ({_at_most(low, found)} to {_at_most(high, found)})"
    return f"It gets as far as finetune on all rows with {count(rows)} train rows{fewer}{ends}."


def _at_most(rows: int | None, found: Efficiency) -> str:
    """An end of an interval, as far as the rows that were tried let it be known."""
    if rows is None:
        return f"more than {count(2 * found.rows)}"
    return f"{count(rows)} or fewer" if rows <= found.fewest else count(rows)
