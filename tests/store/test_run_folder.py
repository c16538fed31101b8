"""What a run folder says of the students in it."""

from pathlib import Path

import pytest

from distilwhy.core.student_id import StudentId
from distilwhy.errors import RunError
from distilwhy.store.files import publish_json
from distilwhy.store.run_folder import SUMMARY, RunFolder

STUDENT = StudentId("finetune", 0)


def test_a_student_that_is_not_trained_has_no_training(tmp_path: Path):
    folder = RunFolder(tmp_path)
    assert folder.training(STUDENT) is None
    with pytest.raises(RunError, match="finetune seed 0 is not trained; run 'train' first"):
        folder.trained(STUDENT)


def test_a_training_that_cannot_be_read_is_named_with_the_remedy(tmp_path: Path):
    folder = RunFolder(tmp_path)
    publish_json(folder.student(STUDENT) / SUMMARY, {"fingerprint": "abc"})
    with pytest.raises(RunError, match=r"finetune-seed0: .*'rows'.* delete it and train again"):
        folder.training(STUDENT)
