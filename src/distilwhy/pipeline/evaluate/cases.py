"""Every test row with all that was said about it."""

from collections.abc import Mapping, Sequence

from distilwhy.core.results import Case
from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.annotate.annotations import Annotations
from distilwhy.pipeline.evaluate.predictions import (
    ScoringJob,
    TestPredictions,
    explain,
    pick_firsts,
)
from distilwhy.pipeline.experiment import Experiment

# The student that is asked for its reasons, and for how many rows: as many as a person may read.
EXPLAINS, EXPLAINED = "step-by-step", 300


def list_cases(
    experiment: Experiment,
    annotations: Annotations,
    jobs: Sequence[ScoringJob],
    answers: Mapping[StudentId, TestPredictions],
    correct: Mapping[StudentId, Sequence[bool]],
) -> list[Case]:
    """Every test row with all that was said about it."""
    same = experiment.task.answer.same
    firsts = pick_firsts(answers)
    right = {
        student_id.method: dict(zip(answers[student_id].by_id, correct[student_id], strict=True))
        for student_id in firsts
    }
    reasons = _explain(experiment, [job for job in jobs if job.student_id in firsts], right)
    cases = []
    for example in experiment.splits.test:
        annotation = annotations.get(example.id)
        taught = annotation.label if annotation else None
        cases.append(
            Case(
                id=example.id,
                text=example.text,
                options=example.options,
                gold=example.gold or "",
                teacher=taught,
                teacher_rationale=annotation.rationale if annotation else "",
                student_rationale=reasons.get(example.id, ""),
                answers={c.method: a.by_id[example.id].label for c, a in firsts.items()},
                right={
                    **{method: table[example.id] for method, table in right.items()},
                    **({"teacher": same(taught, example.gold)} if annotation else {}),
                },
            )
        )
    return cases


def _explain(
    experiment: Experiment, jobs: Sequence[ScoringJob], right: Mapping[str, Mapping[str, bool]]
) -> dict[str, str]:
    """The student's reasons for rows on which methods differ."""
    first = next((job for job in jobs if job.student_id.method == EXPLAINS), None)
    if first is None:
        return {}
    ids = [e.id for e in first.examples if len({table[e.id] for table in right.values()}) > 1]
    return explain(experiment.folder, first, ids[:EXPLAINED])
