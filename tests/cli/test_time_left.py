"""The time that training still takes."""

import re

import pytest

from distilwhy.cli import screen, training_progress
from distilwhy.cli.progress import ProgressDisplay
from distilwhy.cli.time_left import TimeLeft
from distilwhy.core.student_id import StudentId
from distilwhy.core.training_summary import Evaluation, TrainingSummary
from distilwhy.pipeline.train.forecast import Forecast

A, B, C, LAST = (StudentId("finetune", seed) for seed in range(4))
KIND = ("", "finetune")
FOUR = Forecast({KIND: 4}, 3, 100, {KIND: 100.0}, 200.0)
SUMMARY = TrainingSummary(90, 100, 100, 0.5, 1e-3, 10, "fp32", 1, 99.7, {}, [])


def test_before_any_step_the_time_left_is_the_forecast():
    assert TimeLeft(FOUR).seconds() == 200.0


def test_the_time_left_is_that_of_the_student_that_ends_last():
    """Three of four end together; the fourth has only begun."""
    left = TimeLeft(FOUR)
    for student in (A, B, C):
        left.step(student, 1, 100, 0.0)
        left.step(student, 100, 100, 99.0)
        left.end(student)
    assert left.seconds() == pytest.approx(100.0)
    left.step(LAST, 1, 100, 100.0)
    left.step(LAST, 8, 100, 107.0)
    assert left.seconds() == left.of(LAST) == pytest.approx(92.0)


def test_steps_that_take_longer_than_forecast_correct_it_for_all():
    left = TimeLeft(FOUR)
    for student in (A, B, C):
        left.step(student, 1, 100, 0.0)
        left.step(student, 11, 100, 30.0)
    assert left.factor == pytest.approx(3.0)
    assert left.of(A) == pytest.approx(89 * 3)
    # The fourth begins when one of the three has ended.
    assert left.seconds() == pytest.approx(89 * 3 + 300)


def test_a_resumed_training_counts_only_the_steps_of_now():
    left = TimeLeft(Forecast({KIND: 1}, 1, 100, {KIND: 100.0}, 100.0))
    left.step(A, 60, 100, 0.0)
    assert left.seconds() == pytest.approx(40.0)
    left.step(A, 70, 100, 20.0)
    assert left.seconds() == pytest.approx(60.0)


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize("terminal", [True, False])
def test_a_forecast_that_is_far_off_is_corrected(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    clock = Clock()
    monkeypatch.setattr(training_progress, "time", clock)
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "160")
        monkeypatch.setattr(screen, "time", clock)
    with ProgressDisplay() as progress:
        watcher = progress.training()
        watcher.on_start([A, B, C, LAST])
        watcher.on_plan(FOUR)
        for step in (1, 11):
            for student in (A, B, C):
                watcher.on_step(student, step, 100)
            clock.now += 30
        watcher.on_evaluation(A, Evaluation(11, 100, {}, {}, 0.5))
        watcher.on_evaluation(B, Evaluation(11, 100, {}, {}, 0.5))
        watcher.on_rate_tried(A, SUMMARY)
    printed = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert printed.count("times as long as forecast: about 9 min left") == 1
    assert "training takes 3.0 times" in printed
    if terminal:
        assert re.search(r"finetune seed 1 .* 11/100 .*03:57", printed)


def test_after_ctrl_c_no_second_board_is_drawn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Nor by a question that Ctrl-C ends: it stops the view, which then stays stopped."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(screen.Live, "start", lambda view: started.append(view))
    started: list[object] = []
    with pytest.raises(KeyboardInterrupt), ProgressDisplay() as progress, progress.pause():
        raise KeyboardInterrupt
    assert len(started) == 1
    assert progress._view.transient
