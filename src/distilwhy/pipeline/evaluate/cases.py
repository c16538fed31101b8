"""The test rows, each with the answers of the teacher and of the students."""

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

# The method whose student writes rationales, and for at most how many rows: enough to read.
EXPLAINS, EXPLAINED = "step-by-step", 300


def list_cases(
    experiment: Experiment,
    annotations: Annotations,
    jobs: Sequence[ScoringJob],
    predictions: Mapping[StudentId, TestPredictions],
) -> list[Case]:
    """Every test row with the answers of the teacher and of each method's first student."""
    answer, firsts = experiment.task.answer, pick_firsts(predictions)
    ids = [example.id for example in experiment.splits.test]
    right = {s.arm: dict(zip(ids, p.correct, strict=True)) for s, p in firsts.items()}
    reasons = _explain(experiment, [job for job in jobs if job.student_id in firsts], right)
    cases = []
    for example in experiment.splits.test:
        annotation = annotations.get(example.id)
        label = annotation.label if annotation else None
        cases.append(
            Case(
                id=example.id,
                text=example.text,
                options=example.options,
                gold=example.gold or "",
                teacher=label,
                teacher_rationale=annotation.rationale if annotation else "",
                student_rationale=reasons.get(example.id, ""),
                answers={s.arm: p.by_id[example.id].label for s, p in firsts.items()},
                right={
                    **{method: table[example.id] for method, table in right.items()},
                    **({"teacher": answer.same(label, example.gold)} if annotation else {}),
                },
            )
        )
    return cases


def _explain(
    experiment: Experiment, jobs: Sequence[ScoringJob], right: Mapping[str, Mapping[str, bool]]
) -> dict[str, str]:
    """The rationales of one student for rows that some methods answer correctly and some not."""
    first = next((job for job in jobs if job.student_id.method == EXPLAINS), None)
    if first is None:
        return {}
    ids = [e.id for e in first.examples if len({table[e.id] for table in right.values()}) > 1]
    return explain(experiment.folder, first, ids[:EXPLAINED])
