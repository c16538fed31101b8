"""Sentences about results, beside scores and comparisons."""

from collections.abc import Mapping, Sequence

from distilwhy.core.results import MethodScore, Results
from distilwhy.core.stats.comparisons import OutcomeCounts
from distilwhy.core.stats.curve import Efficiency
from distilwhy.core.wording import count, counted, counted_train_rows, listed, percent, points

# Fewer parsed answers than this share deserve a warning.
LOW_PARSED = 0.9
MANY_TWO_ANSWERS = 0.02
# From so many rows on, samples that are the same in this share of them deserve one too.
LEAST_SAMPLED, MANY_SAME_SAMPLES = 5, 0.9

# What was done about rationales for a wrong label, by its key in ``wrong_rationales``.
DONE = {
    "explained": "replaced by an explanation of the gold label",
    "unreasoned": "trained on the label alone",
    "dropped": "left out",
}


def efficiency_sentences(found: Efficiency) -> list[str]:
    """The expected gain from more rows, and the rows needed to match fine-tuning."""
    gain = found.gain
    more = (
        f"Expected gain from {counted(found.more, 'more row')} beyond {count(found.rows)}: "
        f"{points(gain.accuracy)} points ({points(gain.low)} to {points(gain.high)})."
    )
    return [more] if found.matches is None else [_matching(found), more]


def wrong_rationales(methods: Sequence[MethodScore]) -> str:
    """What was done about rationales for wrong labels, the same for every method that has any."""
    counts = next((found.wrong_rationales for found in methods if found.wrong_rationales), None)
    if not counts or not counts.get("wrong"):
        return ""
    done = [f"{count(counts[key])} {what}" for key, what in DONE.items() if counts.get(key)]
    return (
        f"Of {counted(counts['known'], 'annotated train row')} with a gold label, "
        f"{count(counts['wrong'])} had a rationale for a wrong label: "
        f"{listed(done) if done else 'all kept'}."
    )


def parse_cautions(teacher: Mapping[str, OutcomeCounts]) -> list[str]:
    """What is wrong with the teacher's answers: few could be parsed, many replies give two
    answers, or samples are all the same."""
    low = [
        f"{percent(share)} to {split} rows"
        for split, counts in teacher.items()
        if (share := counts.parsed_share) is not None and share < LOW_PARSED
    ]
    cautions = [
        f"{percent(counts.two_answers / counts.asked)} of the {split} replies give two different "
        f"answers, such as row {counts.two_answers_row}. The teacher may go on with another row: "
        f"see 'annotations --id {counts.two_answers_row}', and add what that row begins with to "
        "teacher.stop."
        for split, counts in teacher.items()
        if counts.two_answers > MANY_TWO_ANSWERS * counts.asked
    ]
    if low:
        cautions.append(
            f"Of the teacher's answers, only {listed(low)} could be parsed. The others train "
            "nothing, and count as wrong in its accuracy. 'annotations --problem any' lists them."
        )
    return [*cautions, *_same_samples(teacher)]


def _same_samples(teacher: Mapping[str, OutcomeCounts]) -> list[str]:
    sampled = sum(counts.sampled for counts in teacher.values())
    same = sum(counts.same_samples for counts in teacher.values())
    if same < MANY_SAME_SAMPLES * sampled or sampled < LEAST_SAMPLED:
        return []
    return [
        f"All samples of a row are the same text in {count(same)} of {counted(sampled, 'row')} "
        "with several, so their vote decides nothing. The endpoint may ignore "
        "teacher.temperature: raise it, or set teacher.samples to 1."
    ]


def validation_note(teacher: Mapping[str, OutcomeCounts]) -> str:
    """What validation accuracy means where the teacher's labels stand in for gold; else ""."""
    counts = teacher.get("validation")
    if not counts or not counts.without_gold:
        return ""
    if counts.without_gold == counts.rows:
        return (
            "Validation accuracy is agreement with the teacher: no validation row has a gold label."
        )
    which = f"{count(counts.without_gold)} of {counted(counts.rows, 'validation row')}"
    return f"Validation accuracy is agreement with the teacher on {which}, without a gold label."


def cautions(results: Results) -> list[str]:
    """Warnings about the scores: students that are left out, or that learnt nothing."""
    said = []
    if results.one_answer:
        said.append(
            f"{counted(results.one_answer, 'student')} gave the same answer to every test row, "
            "having learnt nothing from the text. Such scores say nothing about rationales. Try "
            "another training.lr, usually a lower one, or more training.steps."
        )
    if results.without_confidence:
        said.append(
            f"Without confidences: {counted(results.without_confidence, 'student')}, whose answers "
            "an older version kept. To have them, delete the run folder's 'predictions' and run "
            "'evaluate' again, which asks the students again."
        )
    if results.outdated:
        said.append(
            f"Left out as out of date: {counted(results.outdated, 'trained student')}. The "
            "experiment or its annotations have changed since. 'run' retrains them, and 'compare' "
            "those of a study."
        )
    return [*said, *still_rising(results), *unequal_search(results.methods)]


def still_rising(results: Results) -> list[str]:
    """A warning that names the methods whose training ended too early."""
    found = [one for one in results.methods if one.is_rising]
    if not found:
        return []
    several = len({one.rows for one in results.methods}) > 1
    names = [
        f"{results.call(one.student)} {one.method}".lstrip()
        + (f" on {counted_train_rows(one.rows)}" if several else "")
        for one in found
    ]
    return [
        f"Had not converged: {listed(names)}. Accuracy on validation was still rising when "
        "training ended, so more training.steps may change who is ahead."
    ]


def unequal_search(methods: Sequence[MethodScore]) -> list[str]:
    """A warning if some methods were chosen from more trainings than others."""
    tried: dict[int, list[str]] = {}
    for name, most in {m.method: m.tried for m in sorted(methods, key=lambda m: m.tried)}.items():
        tried.setdefault(most, []).append(name)
    if len(tried) < 2:
        return []
    each = [f"{listed(names)} from {count(most)}" for most, names in tried.items()]
    return [
        "The settings of the first seed were chosen on validation from unequal numbers of "
        f"trainings: {'; '.join(each)}. More tries alone can find a little more."
    ]


def seeds(results: Results) -> list[int]:
    """All seeds that students were trained with."""
    return sorted({student.seed for found in results.methods for student in found.students})


def _matching(found: Efficiency) -> str:
    rows, low, high = found.matches or (None, None, None)
    if rows is None:
        best = f"; at best it does with {_at_most(low, found)} rows" if low is not None else ""
        within = counted(2 * found.rows, "train row")
        return f"Does not match finetune on all rows within {within}{best}."
    fewer = " or fewer" if rows <= found.fewest else ""
    ends = "" if low == high == rows else f" ({_at_most(low, found)} to {_at_most(high, found)})"
    return f"Matches finetune on all rows with {counted(rows, 'train row')}{fewer}{ends}."


def _at_most(rows: int | None, found: Efficiency) -> str:
    """An end of an interval, as far as it can be known from the rows that were tried."""
    if rows is None:
        return f"more than {count(2 * found.rows)}"
    return f"{count(rows)} or fewer" if rows <= found.fewest else count(rows)
