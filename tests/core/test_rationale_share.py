"""``training.rationale_share``: some of the rows teach a rationale, all teach their label."""

import pytest

from annotating import training_jobs
from conftest import WriteExperiment
from distilwhy.core.method import METHODS, TargetOptions, TrainingRow, render_training_rows
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.student_id import StudentId
from distilwhy.core.task import Example
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.train.study import list_students

EXAMPLES = [Example(str(i), f"row {i}", gold="yes") for i in range(20)]
ANNOTATIONS = {e.id: Annotation(e.id, "ok", f"because {e.id}", "yes") for e in EXAMPLES}


def rows(
    method: str, share: float, seed: int = 0, annotations: dict[str, Annotation] = ANNOTATIONS
) -> list[TrainingRow]:
    options = TargetOptions(seed=seed, share=share)
    return render_training_rows(METHODS[method], EXAMPLES, annotations, options)


def with_rationale(method: str, share: float, seed: int = 0) -> set[str]:
    return {row.source for row in rows(method, share, seed) if len(row.targets) > 1}


def test_a_share_of_the_rows_teaches_a_rationale_and_all_teach_their_label():
    some = with_rationale("step-by-step", 0.3)
    assert len(some) == 6
    assert {row.source for row in rows("step-by-step", 0.3)} == {e.text for e in EXAMPLES}
    assert some < with_rationale("step-by-step", 0.5)
    assert some != with_rationale("step-by-step", 0.3, seed=1)
    assert len(with_rationale("step-by-step", 0.01)) == 1


@pytest.mark.parametrize("control", ["blank-rationales", "shuffled-rationales"])
def test_controls_teach_something_on_the_same_rows(control: str):
    assert with_rationale(control, 0.3) == with_rationale("step-by-step", 0.3)
    taught = {row.targets[1].text for row in rows(control, 0.3) if len(row.targets) > 1}
    paid = {row.targets[1].text for row in rows("step-by-step", 0.3) if len(row.targets) > 1}
    assert taught <= paid | {""}


def test_gold_labels_need_no_annotation_where_no_rationale_is_taught():
    reasoned = with_rationale("step-by-step-gold", 0.3)
    paid = {e.id: ANNOTATIONS[e.id] for e in EXAMPLES if e.text in reasoned}
    assert rows("step-by-step-gold", 0.3, annotations=paid) == rows("step-by-step-gold", 0.3)
    assert {row.source for row in rows("step-by-step", 0.3, annotations=paid)} == reasoned
    nothing = rows("step-by-step-gold", 0.3, annotations={})
    assert {row.source for row in nothing} == {e.text for e in EXAMPLES} - reasoned


def test_a_share_concerns_only_methods_that_write_rationales(write_experiment: WriteExperiment):
    def fingerprints(**training: object) -> dict[StudentId, str]:
        changes = {"methods": ["finetune", "step-by-step-gold"], "training": training}
        experiment = open_experiment(write_experiment(changes))
        jobs = training_jobs(experiment).of_all(list_students(experiment))
        return {job.student_id: job.fingerprint for job in jobs}

    whole, part = fingerprints(), fingerprints(rationale_share=0.5)
    assert fingerprints(rationale_share=1.0) == whole
    assert [s.method for s in whole if whole[s] != part[s]] == ["step-by-step-gold"]
