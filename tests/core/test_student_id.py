"""Names of students, and the rows that each trains on."""

import pytest

from distilwhy.config.experiment import StudyConfig
from distilwhy.core.method import METHODS
from distilwhy.core.student_id import StudentId, count_rows, select_rows
from distilwhy.core.task import Example

ROWS = [Example(str(i), str(i)) for i in range(50)]


def test_fewer_rows_are_a_subset_of_more():
    few, more = select_rows(ROWS, 10, seed=3), select_rows(ROWS, 25, seed=3)
    assert len(few) == 10
    assert set(few) < set(more)
    assert more == sorted(more, key=lambda e: int(e.id))


def test_the_seed_draws_the_rows():
    assert select_rows(ROWS, 10, seed=3) == select_rows(ROWS, 10, seed=3)
    assert select_rows(ROWS, 10, seed=3) != select_rows(ROWS, 10, seed=4)
    assert select_rows(ROWS, None, seed=3) == select_rows(ROWS, 50, seed=4) == ROWS


def test_sizes_are_shares_or_counts():
    assert count_rows([0.1, 20, 1.0], 50) == [5, 20, None]
    assert count_rows([50, 90], 50) == [None]
    assert count_rows([0.001], 50) == [2]


def test_names_for_folders_and_for_people():
    assert StudentId("finetune", 2).name == "finetune-seed2"
    assert StudentId("finetune", 2, 40).name == "finetune-n40-seed2"
    assert StudentId("finetune", 2, 40, "small").name == "small-finetune-n40-seed2"
    assert StudentId("finetune", 2, 40, "small").label == "small finetune 40 rows seed 2"


def test_different_students_have_different_names():
    """As no student is called what comes before a method's name within that of another."""
    for one in METHODS:
        for other in METHODS:
            if other.endswith(f"-{one}"):
                with pytest.raises(ValueError, match="is the name of another method"):
                    StudyConfig(students={other.removesuffix(f"-{one}"): {}})
