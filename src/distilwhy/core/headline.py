"""The answer to the question that a study is done for, in words."""

from collections.abc import Mapping, Sequence

from distilwhy.core.results import MethodScore
from distilwhy.core.stats.comparisons import MethodComparison
from distilwhy.core.student_id import MAIN, extent

# In which order a pair answers the question whether the reasons helped.
_TELLING = (
    ("step-by-step", "label-distill"),
    ("step-by-step-gold", "finetune"),
    ("step-by-step", "finetune"),
)
_CONTROLS = ("blank-rationales", "shuffled-rationales")
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
    """What the comparisons of one student on the most train rows say, in a few sentences.

    Args:
        methods: That student's.
        saw_gold: How many train rows the teacher was shown the gold label of.
        students: The names of all students; the first is the one that is spoken of.
    """
    if not comparisons:
        return (
            "No method that learns the teacher's reasons was compared with one that does not, so "
            "whether they help is not known."
        )
    rows = max((v.rows for v in comparisons), key=extent)
    whole = {(v.method, v.baseline): v.comparison for v in comparisons if v.rows == rows}
    scores = {one.method: one for one in methods if one.rows == rows}
    method, baseline = next((pair for pair in _TELLING if pair in whole), next(iter(whole)))
    found = whole[method, baseline]
    lead = "" if found.verdict == "no difference seen" else "the reasons "
    against = "Against" if rows is None else f"Taught on {rows:,} rows: against"
    accuracies = [f"{scores[name].score.accuracy:.1%}" for name in (method, baseline)]
    said = [
        f"{against} {_BASELINES.get(baseline, baseline)}, {lead}{found.words}. Of the test rows, "
        f"{method} answers {accuracies[0]} rightly, {baseline} {accuracies[1]}."
    ]
    gold = ("step-by-step", "finetune")
    if (method, baseline) != gold and gold in whole:
        said.append(f"Against {_BASELINES['finetune']}: {whole[gold].words}.")
    controls = {name: whole[method, name] for name in _CONTROLS if (method, name) in whole}
    if controls and found.verdict == "helped":
        if all(control.verdict == "helped" for control in controls.values()):
            said.append("Reasons that are blank or another row's do not do as well.")
        else:
            said.append("But the controls do not show that it is the reasons themselves.")
    if len(students) > 1:
        others = " and ".join(students[1:]) if len(students) < 4 else f"{len(students) - 1} others"
        said.append(f"All this is of the student {students[0] or MAIN}; {others} may differ.")
    if saw_gold:
        said.append(
            f"The teacher was shown the gold label of {saw_gold:,} train rows and gave the "
            "reasons; on these its labels are gold."
        )
    if any(_has_one_seed(scores, *pair) for pair in whole if pair[0] == method):
        said.append("That is one seed: how much training itself varies is left out.")
    return " ".join(said)


def _has_one_seed(scores: Mapping[str, MethodScore], *pair: str) -> bool:
    """Whether two methods are compared on one seed alone."""
    seeds = [{student.seed for student in scores[name].students} for name in pair]
    return len(set.intersection(*seeds)) == 1
