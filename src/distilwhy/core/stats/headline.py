"""The headline of a study: how good the best student is, and whether rationales helped."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from distilwhy.core.method import method_of
from distilwhy.core.results import MethodScore
from distilwhy.core.stats.comparisons import MethodComparison, OutcomeCounts
from distilwhy.core.stats.scores import NO_DIFFERENCE, NO_VERDICT, Comparison
from distilwhy.core.student_id import MAIN, extent
from distilwhy.core.wording import counted, listed, percent

# The pairs that answer whether rationales helped, the most telling first.
_QUESTIONS = (
    ("step-by-step", "label-distill"),
    ("step-by-step-gold", "finetune"),
    ("step-by-step", "finetune"),
)
_BASELINES = {
    "label-distill": "the teacher's bare labels",
    "finetune": "fine-tuning on gold labels",
}
_PREFERRED = "step-by-step"


def choose_student(methods: Sequence[MethodScore]) -> MethodScore:
    """The student to deploy: on the most train rows, the method with the best mean validation
    accuracy of those that need no teacher at inference and are no controls."""
    return max(
        _list_candidates(methods),
        key=lambda found: (
            fmean(student.validation_accuracy for student in found.students),
            found.method == _PREFERRED,
        ),
    )


def describe_student(
    chosen: MethodScore,
    methods: Sequence[MethodScore],
    teacher: OutcomeCounts | None,
    against_teacher: Sequence[MethodComparison],
    against_baselines: Sequence[MethodComparison] = (),
) -> str:
    """How good a student is beside its teacher, in a few sentences.

    Args:
        methods: All that it was chosen from.
        teacher: The teacher's answers to the test rows; None if it was not asked.
    """
    score = teacher.score if teacher else None
    name, accuracy = chosen.method, percent(chosen.score.accuracy)
    if chosen.rows is not None:
        name = f"Trained on {counted(chosen.rows, 'row')}, {name}"
    if teacher is None or score is None:
        said = [
            f"{name} answers {accuracy} of the test rows correctly.",
            "The teacher did not answer the test rows, so it is unknown whether it is better.",
        ]
    else:
        parsed = parsed_accuracy(teacher)
        more = f" ({parsed})" if parsed else ""
        said = [
            f"{name} answers {accuracy} of the test rows correctly, the teacher "
            f"{percent(score.accuracy)}{more}."
        ]
    said += [
        f"Against the teacher{_on_rows(chosen, score.rows if score else 0)}{_say(one.comparison)}."
        for one in _about(chosen, against_teacher)
    ]
    said += describe_baselines("It", list(_about(chosen, against_baselines)))
    if (tried := len(_list_candidates(methods))) > 1:
        said.append(f"It is the best of {counted(tried, 'method')} on validation.")
    return " ".join(said)


def describe_baselines(who: str, comparisons: Sequence[MethodComparison]) -> list[str]:
    """Which trivial baselines a student beats, in a sentence each for those that it does not.

    Args:
        who: The student, as the subject of a sentence.
    """
    ahead = [one for one in comparisons if one.comparison.is_ahead]
    one_seed = any(one.comparison.seeds == 1 for one in ahead)
    verb = "is ahead of" if one_seed else "beats"
    names = listed(one.baseline for one in ahead) if ahead else ""
    said = [f"{who} {verb} {names}{' on one seed' if one_seed else ''}."] if ahead else []
    for one in comparisons:
        if one not in ahead:
            verb = "does not beat" if one.comparison.difference <= 0 else "is not shown to beat"
            said.append(f"{who} {verb} {one.baseline}{_say(one.comparison)}.")
    return said


def parsed_accuracy(counts: OutcomeCounts) -> str:
    """The teacher's accuracy on the parsed rows alone; "" if that is all of them."""
    score, parsed, share = counts.score, counts.parsed_score, counts.parsed_share
    if not score or not parsed or share is None or parsed.rows == score.rows:
        return ""
    return f"{percent(parsed.accuracy)} of the {percent(share)} that could be parsed"


def describe_rationales(
    comparisons: Sequence[MethodComparison],
    methods: Sequence[MethodScore],
    saw_gold: int = 0,
    students: Sequence[str] = ("",),
    teachers: Sequence[str] = (),
) -> str:
    """Whether rationales helped the first student on the most train rows, in a few sentences.

    Args:
        saw_gold: How many train rows the teacher was shown the gold label of.
        teachers: The names of the study's teachers, if it has several.
    """
    if not comparisons:
        return (
            "Whether rationales help is not known: no method that learns the teacher's rationales "
            "was compared with one that does not."
        )
    rows = max((one.rows for one in comparisons), key=extent)
    whole = {(c.method, c.baseline): c.comparison for c in comparisons if c.rows == rows}
    scores = {one.method: one for one in methods if one.rows == rows}
    method, baseline = next((pair for pair in _QUESTIONS if pair in whole), next(iter(whole)))
    found = whole[method, baseline]
    is_open = found.verdict == NO_VERDICT
    lead = "" if found.verdict in (NO_DIFFERENCE, NO_VERDICT) else "rationales "
    against = "Against" if rows is None else f"Trained on {counted(rows, 'row')}: against"
    accuracies = [percent(scores[name].score.accuracy) for name in (method, baseline)]
    words = f"on one seed: {found.on_one_seed}" if is_open else f"{lead}{found.words}"
    said = ["One seed gives no verdict on rationales."] if is_open else []
    said.append(
        f"{against} {_BASELINES.get(baseline, baseline)}, {words}. "
        f"Test accuracy: {method} {accuracies[0]}, {baseline} {accuracies[1]}."
    )
    gold = ("step-by-step", "finetune")
    if (method, baseline) != gold and gold in whole:
        other = whole[gold]
        words = other.on_one_seed if other.verdict == NO_VERDICT else other.words
        said.append(f"Against {_BASELINES['finetune']}: {words}.")
    if found.verdict == "helped":
        said.append(_weigh_controls(method, whole))
    if len(students) > 1:
        others = listed(students[1:]) if len(students) < 4 else f"{len(students) - 1} others"
        said.append(f"This is about the student {students[0] or MAIN}; {others} may differ.")
    for name in teachers[1:]:
        if swapped := whole.get((f"{method} ({name})", method)):
            words = swapped.on_one_seed if swapped.verdict == NO_VERDICT else swapped.words
            said.append(f"With the rationales of {name} in place of {teachers[0]}'s: {words}.")
    if saw_gold:
        said.append(
            f"The teacher was shown the gold label of {counted(saw_gold, 'train row')} and asked "
            "why it is right; there, teacher labels are gold labels."
        )
    return " ".join(said)


def _list_candidates(methods: Sequence[MethodScore]) -> list[MethodScore]:
    """The methods on the most train rows that could be deployed; all, if none could."""
    most = max(extent(found.rows) for found in methods)
    largest = [found for found in methods if extent(found.rows) == most]
    return [found for found in largest if method_of(found.method).is_deployable] or largest


def _about(
    chosen: MethodScore, comparisons: Sequence[MethodComparison]
) -> Iterator[MethodComparison]:
    """The comparisons of one student's method on a number of rows."""
    for one in comparisons:
        if (one.method, one.rows, one.student) == (chosen.method, chosen.rows, chosen.student):
            yield one


def _say(comparison: Comparison) -> str:
    """What follows the name of a teacher or baseline that a student is compared with."""
    if comparison.verdict == NO_VERDICT:
        return f", on one seed: {comparison.on_one_seed}"
    return f": {comparison.describe('better', 'worse')}"


def _on_rows(chosen: MethodScore, rows: int) -> str:
    """Names the rows of a comparison with the teacher, if they are not all test rows."""
    return f" on the {counted(rows, 'row')} that it answered" if rows < chosen.score.rows else ""


def _weigh_controls(method: str, whole: Mapping[tuple[str, str], Comparison]) -> str:
    """Whether it is the reasons that helped: only if the method beats every control."""
    controls = {
        control.words: comparison
        for (first, other), comparison in whole.items()
        if first == method and (control := method_of(other).control)
    }
    if not controls:
        return "It may not be the reasons that help: no control was trained."
    level = {words: found for words, found in controls.items() if found.verdict != "helped"}
    if not level:
        return f"It is the reasons, as far as controls show: {listed(controls)} do worse."
    each = listed(f"against {words}, {found.words}" for words, found in level.items())
    return f"But it need not be the reasons: {each}."
