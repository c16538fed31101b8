"""The time that training still takes."""

import re
from dataclasses import replace

import pytest

from distilwhy.cli import screen, training_progress
from distilwhy.cli.progress import ProgressDisplay
from distilwhy.cli.time_left import TimeLeft
from distilwhy.core.student_id import StudentId
from distilwhy.core.training_summary import Evaluation, TrainingSummary
from distilwhy.pipeline.train.forecast import Forecast
from distilwhy.students.training.duration import TrainingTime

A, B, C, LAST = (StudentId("finetune", seed) for seed in range(4))
OTHER = StudentId("step-by-step", 0)
KIND, SLOW = ("", "finetune"), ("", "step-by-step")
# 100 steps of 0.8 s and two evaluations of 10 s.
HUNDRED = TrainingTime(100, 0.8, 10.0, 50)
FOUR = Forecast({KIND: 4}, 3, {KIND: HUNDRED}, 200.0)
ONE = Forecast({KIND: 1}, 1, {KIND: HUNDRED}, 100.0)
SUMMARY = TrainingSummary(90, 100, 100, 0.5, 1e-3, 10, "fp32", 1, 99.7, {}, [])


def follow(
    left: TimeLeft,
    student: StudentId,
    steps: range,
    step_s: float = 0.8,
    evaluation_s: float = 10.0,
    now: float = 0.0,
) -> float:
    """Record steps and the evaluations after them; the time at their end."""
    for step in steps:
        now += step_s
        left.step(student, step, now)
        if step % 50 == 0:
            now += evaluation_s
            left.evaluation(student, now)
    return now


def test_before_any_step_the_time_left_is_the_forecast():
    assert TimeLeft(FOUR, 0.0).seconds() == 200.0


def test_the_time_left_is_that_of_the_student_that_ends_last():
    """Three of four end together; the fourth has only begun."""
    left = TimeLeft(FOUR, 0.0)
    for student in (A, B, C):
        follow(left, student, range(1, 101))
        left.end(student, 100)
    assert left.seconds() == pytest.approx(100.0)
    follow(left, LAST, range(1, 9))
    assert left.seconds() == left.of(LAST) == pytest.approx(92 * 0.8 + 20)


def test_steps_that_take_longer_than_forecast_correct_it_for_all():
    """Evaluations too, before there was one."""
    left = TimeLeft(FOUR, 0.0)
    for student in (A, B, C):
        follow(left, student, range(1, 12), 2.4)
    assert left.of(A) == pytest.approx(89 * 2.4 + 60)
    # The fourth begins when one of the three has ended.
    assert left.seconds() == pytest.approx(89 * 2.4 + 60 + 300)


def test_evaluations_are_corrected_by_evaluations_alone():
    left = TimeLeft(ONE, 0.0)
    follow(left, A, range(1, 51), 0.8, 2.0)
    assert left.seconds() == pytest.approx(50 * 0.8 + 2)


def test_a_resumed_training_counts_only_the_steps_of_now():
    left = TimeLeft(ONE, 0.0)
    left.step(A, 60, 0.0)
    assert left.seconds() == pytest.approx(40 * 0.8 + 10)
    follow(left, A, range(61, 71), 1.6)
    assert left.seconds() == pytest.approx(30 * 1.6 + 20)


def test_a_training_that_was_done_but_for_its_end_is_no_longer_waited_for():
    left = TimeLeft(ONE, 0.0)
    left.end(A, 100)
    assert (left.trainings, left.seconds()) == (0, 0.0)


@pytest.mark.parametrize("swamped", [1, 2, 7])
def test_a_step_during_which_the_machine_is_swamped_hardly_changes_the_time_left(swamped: int):
    left, now = TimeLeft(ONE, 0.0), 0.0
    for step in range(1, 31):
        now += 300.0 if step == swamped else 0.8
        left.step(A, step, now)
        assert left.seconds() < 2 * 100
    assert left.seconds() == pytest.approx(70 * 0.8 + 20, rel=0.3)


def test_methods_of_other_kinds_are_corrected_by_their_own_pace():
    each = {KIND: HUNDRED, SLOW: HUNDRED}
    left = TimeLeft(Forecast({KIND: 2, SLOW: 1}, 3, each, 100.0), 0.0)
    follow(left, A, range(1, 11), 0.8)
    follow(left, OTHER, range(1, 11), 4.0)
    assert left.of(A) == pytest.approx(90 * 0.8 + 20)
    assert left.seconds() == left.of(OTHER) == pytest.approx(90 * 4.0 + 100)


def test_students_are_expected_to_end_as_early_as_those_of_their_kind_did():
    patient = replace(FOUR, workers=1, seconds=400.0, has_patience=True)
    left = TimeLeft(patient, 0.0)
    assert left.is_upper_bound
    follow(left, A, range(1, 51))
    left.end(A, 50)
    assert not left.is_upper_bound
    assert left.seconds() == pytest.approx(3 * 50)
    now = follow(left, B, range(1, 50))
    assert left.of(B) == pytest.approx(0.8 + 10)
    # It took longer than the first, so nothing is known but its last step.
    follow(left, B, range(50, 52), now=now)
    assert left.of(B) == pytest.approx(49 * 0.8 + 10)


def corrections(step_seconds: list[float]) -> list[float]:
    """What the user is told after which it corrects: seconds in all."""
    left, now, told = TimeLeft(ONE, 0.0), 0.0, []
    for step, seconds in enumerate(step_seconds, start=1):
        now += seconds
        left.step(A, step, now)
        if left.factor(now) != 1:
            told.append(now + left.tell(now))
    return told


def test_a_correction_is_told_once_and_again_only_if_it_was_far_off():
    assert corrections([0.8] * 40) == corrections([0.9] * 40) == []
    assert len(corrections([4.0] * 40)) == 1
    assert len(corrections([4.0] * 45 + [0.4] * 55)) == 2


def test_a_busy_minute_at_the_beginning_of_hours_is_not_worth_a_line():
    hours = TrainingTime(10_000, 0.8, 10.0, 5000)
    left = TimeLeft(replace(ONE, each={KIND: hours}, seconds=hours.seconds), 0.0)
    now = follow(left, A, range(1, 31), 4.0)
    assert left.factor(now) == 1
    now = follow(left, A, range(31, 301), 4.0, now=now)
    assert left.factor(now) == pytest.approx(5, rel=0.1)


def test_seconds_of_difference_are_not_worth_a_line():
    short = replace(ONE, each={KIND: TrainingTime(100, 0.1, 0.0, 50)}, seconds=10.0)
    left = TimeLeft(short, 0.0)
    now = follow(left, A, range(1, 50), 0.2)
    assert left.seconds() == pytest.approx(51 * 0.2)
    assert left.factor(now) == 1


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
        for step in range(1, 31):
            for student in (A, B, C):
                clock.now += 0.8
                watcher.on_step(student, step, 100)
        clock.now += 30
        watcher.on_evaluation(A, Evaluation(30, 100, {}, {}, 0.5))
        watcher.on_rate_tried(A, SUMMARY)
    printed = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert printed.count("training is slower than forecast: about 10 min left") == 1
    assert ("3 still to train: about 5 min left" in printed) is not terminal
    if terminal:
        # 70 steps of 2.4 s and two evaluations of 30 s, 30 s ago.
        assert re.search(r"finetune seed 1 .* 30/100 .*03:18", printed)


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
