"""Sentences about the teachers of a study, and about what a gain in accuracy cost."""

from collections.abc import Sequence

from distilwhy.core.results import Results
from distilwhy.core.wording import count, counted_train_rows, money, percent, points

BASELINE = "finetune"


def describe_teachers(results: Results) -> list[str]:
    """Which teacher each method learns from, and on how many of the same rows; none if the study
    has one teacher."""
    if not results.teachers:
        return []
    first = results.teachers[0]
    named = f"A name in brackets is that of a method's teacher; without one it is {first.name}."
    answered = [
        f"{one.name} {count(one.readable)}"
        + (f", {percent(one.accuracy)} of them right" if one.accuracy is not None else "")
        for one in results.teachers
    ]
    if all(one.readable == one.shared for one in results.teachers):
        same = "They are the same rows for all."
    else:
        same = f"{count(first.shared)} rows are the same for all, so the methods' rows differ."
    rows = f"Of {counted_train_rows(first.rows)}, readably answered: {'; '.join(answered)}."
    return [named, f"{rows} {same}"]


def describe_costs(results: Results) -> Sequence[str]:
    """What each point of accuracy over fine-tuning on gold labels cost in annotations."""
    costs = {(one.method, one.rows): one.cost for one in results.annotation_costs}
    whole = results.provenance.rows.get("train")
    currency = results.bill.prices.currency if results.bill.prices else ""
    lines = []
    for found in results.comparisons:
        cost = costs.get((found.method, found.rows))
        if cost is None or found.baseline != BASELINE:
            continue
        gain = found.comparison.difference
        name = f"{results.call(found.student)} {found.method}".lstrip()
        paid = f"{name}, {counted_train_rows(found.rows, whole)}: {money(cost, currency)}"
        over = f"{points(gain)} points over {BASELINE}"
        if gain <= 0:
            lines.append(f"{paid} of annotations for no gain ({over})")
            continue
        verdict = found.comparison.verdict
        lines.append(
            f"{paid} of annotations for {over}: {money(cost / (100 * gain), currency)} a point"
            + ("" if verdict == "helped" else f" ({verdict})")
        )
    return lines
