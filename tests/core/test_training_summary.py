"""What is kept of a training reads back as what it was."""

import json
from dataclasses import asdict

import pytest

from distilwhy.core.student_id import StudentId
from distilwhy.core.training_summary import (
    Evaluation,
    TrainingRecord,
    TrainingSummary,
    TriedRate,
    Truncation,
)

LOG = [
    Evaluation(10, 20, {"label": 0.9, "rationale": 2.5}, {"label": 1.5, "rationale": 0.5}, 0.5),
    Evaluation(20, 20, {"label": 0.4}, {}, 0.75),
]
CUT = {"input": Truncation(cut=1, texts=8, longest=70, limit=64)}
SUMMARY = TrainingSummary(8, 20, 20, 0.75, 1e-3, 1234, "fp32", 1, 2.5, CUT, LOG)
STUDENT = StudentId("step-by-step", 1, 40, "large")
SEARCH = [TriedRate(1e-3, 0.75), TriedRate(3e-3, 0.5)]
COUNTS = {"known": 8, "wrong": 2, "explained": 0, "unreasoned": 0, "dropped": 2}


@pytest.mark.parametrize("counts", [COUNTS, {}])
def test_a_record_written_to_json_reads_back_equal(counts: dict[str, int]):
    record = TrainingRecord(STUDENT, "abc", SUMMARY, SEARCH, counts)
    value = json.loads(json.dumps(record.as_json()))
    log = json.loads(json.dumps([asdict(line) for line in SUMMARY.log]))
    assert TrainingRecord.from_json(STUDENT, value, log) == record
    assert TrainingSummary.from_json(value, log) == SUMMARY


def test_the_keys_of_training_json_are_a_contract():
    record = TrainingRecord(STUDENT, "abc", SUMMARY, SEARCH, COUNTS)
    assert record.as_json() == {
        "method": "step-by-step",
        "seed": 1,
        "rows": 8,
        "student": "large",
        "annotations": "",
        "steps": 20,
        "best_step": 20,
        "validation_accuracy": 0.75,
        "lr": 1e-3,
        "parameters": 1234,
        "precision": "fp32",
        "processes": 1,
        "seconds": 2.5,
        "truncation": {"input": {"cut": 1, "texts": 8, "longest": 70, "limit": 64}},
        "wrong_rationales": COUNTS,
        "search": [
            {"lr": 1e-3, "validation_accuracy": 0.75},
            {"lr": 3e-3, "validation_accuracy": 0.5},
        ],
        "fingerprint": "abc",
    }
