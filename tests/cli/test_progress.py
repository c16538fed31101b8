"""What a command prints to stderr while it works."""

import re
from dataclasses import replace

import pytest

from distilwhy.cli.progress import ProgressDisplay
from distilwhy.core.student_id import StudentId
from distilwhy.core.training_summary import TrainingSummary
from distilwhy.pipeline.annotate import recorder as recorder
from distilwhy.pipeline.train.forecast import Forecast
from distilwhy.pipeline.train.jobs import TrainedStudents
from distilwhy.students.training.duration import TrainingTime
from distilwhy.students.training.memory import Preflight

STUDENTS = [
    StudentId(method, seed, rows)
    for rows in (90, None)
    for seed in (0, 1)
    for method in ("finetune", "b")
]
SUMMARY = TrainingSummary(90, 600, 400, 0.1375, 1e-3, 10, "fp32", 1, 99.7, {}, [])
PREFLIGHT = Preflight(1_233_792, 1_233_792, 2**30, 8 * 2**30)
SIZE = "1.23 M parameters; needs about 1.0 GiB of 8.0 GiB memory"


def time_of(seconds: float) -> TrainingTime:
    """A training of 600 steps and one evaluation that takes so long in all."""
    return TrainingTime(600, seconds / 1200, seconds / 2, 600)


@pytest.mark.parametrize("terminal", [True, False])
def test_training_ends_with_a_board_on_a_terminal_and_a_line_a_student_elsewhere(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "120")
    with ProgressDisplay() as progress:
        watcher = progress.training()
        watcher.on_start(STUDENTS)
        watcher.on_fit("", PREFLIGHT)
        seconds = {"finetune": 104.0, "label-distill": 118.0, "step-by-step": 290.0}
        each = {("", method): time_of(taken) for method, taken in seconds.items()}
        watcher.on_plan(Forecast(dict.fromkeys(each, 3), 2, each, 720.0))
        watcher.on_rate_tried(StudentId("finetune", 0, 90), SUMMARY)
        watcher.on_trained(StudentId("finetune", 0, 90), 0.1375)
    printed = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert f"student: {SIZE}\n" in printed
    assert "9 to train, 2 at a time, 600 steps each: about 12 min\n" in printed
    assert "  finetune, label-distill: about 2 min each\n" in printed
    assert "  step-by-step: about 5 min each\n" in printed
    assert "finetune 90 rows seed 0: validation 13.8% at step 400, 1 min 40 s\n" in printed
    assert ("13.8%  1 of 2 seeds" in printed) is terminal


def test_a_forecast_with_patience_is_an_upper_bound(capsys: pytest.CaptureFixture[str]):
    each = {("", "finetune"): time_of(104.0)}
    with ProgressDisplay() as progress:
        watcher = progress.training()
        watcher.on_start(STUDENTS[:3:2])
        watcher.on_plan(Forecast({("", "finetune"): 2}, 1, each, 208.0, has_patience=True))
        early = replace(SUMMARY, steps=60)
        watcher.on_rate_tried(STUDENTS[0], early)
    printed = capsys.readouterr().err
    assert "600 steps each: at most about 3 min, as training.patience may end them" in printed
    assert "  finetune: at most about 2 min each\n" in printed
    # A tenth of the steps, and no evaluation.
    assert "  1 still to train: about 5 s left\n" in printed


def test_checkpoints_that_memory_needs_are_announced(capsys: pytest.CaptureFixture[str]):
    with ProgressDisplay() as progress:
        watcher = progress.training()
        watcher.on_start(STUDENTS)
        watcher.on_fit("", replace(PREFLIGHT, checkpoints=True))
    assert f"student: {SIZE}, with activations checkpointed" in capsys.readouterr().err


def test_the_students_of_a_study_are_told_apart_by_name(capsys: pytest.CaptureFixture[str]):
    students = [
        StudentId(method, 0, None, name) for name in ("", "small") for method in ("finetune", "b")
    ]
    with ProgressDisplay() as progress:
        watcher = progress.training()
        watcher.on_start(students)
        for name in ("", "small"):
            watcher.on_fit(name, PREFLIGHT)
        kinds = {("", "finetune"): 9.0, ("small", "finetune"): 5.0, ("small", "b"): 5.0}
        each = {kind: time_of(taken) for kind, taken in kinds.items()}
        watcher.on_plan(Forecast({**dict.fromkeys(each, 1), ("", "finetune"): 2}, 2, each, 12.0))
    printed = capsys.readouterr().err
    assert f"main: {SIZE}\nsmall: {SIZE}\n" in printed
    assert "  main, finetune: about 9 s each\n" in printed
    assert "  small, finetune, b: about 5 s each\n" in printed


def test_why_students_are_trained_again_is_printed_once_for_each_reason(
    capsys: pytest.CaptureFixture[str],
):
    first, *others = STUDENTS[:4]
    trained = TrainedStudents([first], {others[0]: ["rows"], others[1]: ["rows"], others[2]: []})
    with ProgressDisplay() as progress:
        progress.training().on_found(trained, 8)
    assert capsys.readouterr().err == (
        "Already trained: 1 of 8 students\n"
        "2 students out of date, trained again: rows changed\n"
        "1 student out of date, trained again: the experiment or its annotations changed\n"
    )


def test_calls_lost_with_a_worker_are_counted(capsys: pytest.CaptureFixture[str]):
    with ProgressDisplay() as progress:
        progress.annotation(recorder.AnnotationProgress(total=8, from_ledger=0))
        progress.annotation(recorder.AnnotationProgress(total=8, from_ledger=0, answered=8, lost=4))
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("teacher: 8/8  0 from ledger, 4 repeated after a worker was lost, ")
