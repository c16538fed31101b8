"""The headline of a study: whether rationales helped."""

from collections.abc import Mapping, Sequence

from distilwhy.core.method import method_of
from distilwhy.core.results import MethodScore
from distilwhy.core.stats.comparisons import MethodComparison
from distilwhy.core.stats.scores import NO_DIFFERENCE, Comparison
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


def write_headline(
    comparisons: Sequence[MethodComparison],
    methods: Sequence[MethodScore],
    saw_gold: int = 0,
    students: Sequence[str] = ("",),
) -> str:
    """Whether rationales helped the first student on the most train rows, in a few sentences.

    Args:
        saw_gold: How many train rows the teacher was shown the gold label of.
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
    lead = "" if found.verdict == NO_DIFFERENCE else "rationales "
    against = "Against" if rows is None else f"Trained on {counted(rows, 'row')}: against"
    accuracies = [percent(scores[name].score.accuracy) for name in (method, baseline)]
    said = [
        f"{against} {_BASELINES.get(baseline, baseline)}, {lead}{found.words}. "
        f"Test accuracy: {method} {accuracies[0]}, {baseline} {accuracies[1]}."
    ]
    gold = ("step-by-step", "finetune")
    if (method, baseline) != gold and gold in whole:
        said.append(f"Against {_BASELINES['finetune']}: {whole[gold].words}.")
    if found.verdict == "helped":
        said.append(_weigh_controls(method, whole))
    if len(students) > 1:
        others = listed(students[1:]) if len(students) < 4 else f"{len(students) - 1} others"
        said.append(f"This is about the student {students[0] or MAIN}; {others} may differ.")
    if saw_gold:
        said.append(
            f"The teacher was shown the gold label of {counted(saw_gold, 'train row')} and asked "
            "why it is right; there, teacher labels are gold labels."
        )
    seeds = {name: {one.seed for one in found.students} for name, found in scores.items()}
    if any(len(seeds[one] & seeds[other]) == 1 for one, other in whole if one == method):
        said.append("With one seed, the interval leaves out how much training itself varies.")
    return " ".join(said)


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
