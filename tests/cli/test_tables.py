"""What a person sees while students are trained, and when they are scored."""

import re
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from rich.console import Console

from distilwhy.cli.board import Board
from distilwhy.cli.progress import Progress
from distilwhy.cli.tables import show_results
from distilwhy.core.student_id import StudentId
from distilwhy.core.training_summary import TrainingSummary
from distilwhy.pipeline.annotate import recorder as recorder
from distilwhy.pipeline.train.forecast import Forecast
from distilwhy.store.run_folder import RunFolder
from distilwhy.students.training.memory import Preflight
from results import make_results

if TYPE_CHECKING:
    from distilwhy.pipeline.experiment import Experiment

CELLS = [
    StudentId(m, seed, rows) for rows in (90, None) for seed in (0, 1) for m in ("finetune", "b")
]
TRAINED = TrainingSummary(90, 600, 400, 0.1375, 1e-3, 10, "fp32", 1, 99.7, {}, [])


def draw(board: Board) -> list[str]:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(board)
    return [" ".join(line.split()) for line in capture.get().splitlines() if line.strip()]


def board_of(cells: Sequence[StudentId]) -> Board:
    board = Board()
    board.begin(cells)
    return board


def test_the_board_tells_means_of_the_seeds_that_stand():
    board = board_of(CELLS)
    assert draw(board)[-2:] == [f"{m} – 0 of 2 seeds – 0 of 2 seeds" for m in ("finetune", "b")]
    board.stand(StudentId("finetune", 0, 90), 0.1)
    board.stand(StudentId("finetune", 1, 90), 0.25)
    board.stand(StudentId("b", 1), 1.0)
    title, head, _, *lines = draw(board)
    assert (title, head) == ("Accuracy on validation so far", "method 90 rows all rows")
    assert lines == ["finetune 17.5% 2 of 2 seeds – 0 of 2 seeds",
                     "b – 0 of 2 seeds 100.0% 1 of 2 seeds"]  # fmt: skip


def test_one_student_alone_has_no_board():
    assert not board_of(CELLS[:1]).is_shown
    assert board_of(CELLS[:2]).is_shown


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_seen_of_a_study(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A board that stays at the end on a terminal, and elsewhere a line for each student."""
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "120")
    with Progress() as progress:
        watcher = progress.training()
        watcher.begins(CELLS)
        watcher.fits("", Preflight(1_233_792, 1_233_792, 2**30, 8 * 2**30))
        seconds = {"finetune": 104.0, "label-distill": 118.0, "step-by-step": 290.0}
        each = {("", method): taken for method, taken in seconds.items()}
        watcher.plans(Forecast(9, 2, 600, each, 720.0))
        watcher.ends(StudentId("finetune", 0, 90), TRAINED)
        watcher.stands(StudentId("finetune", 0, 90), 0.1375)
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert "a student: 1.23 M parameters, about 1.0 GiB of 8.0 GiB\n" in said
    assert "9 to train, 2 at a time, 600 steps each: about 12 min\n" in said
    assert "  finetune, label-distill: about 2 min each\n" in said
    assert "  step-by-step: about 5 min each\n" in said
    assert "finetune 90 rows seed 0: validation 13.8% at step 400, 1 min 40 s\n" in said
    assert ("13.8%  1 of 2 seeds" in said) is terminal


def test_students_are_told_apart_by_name(capsys: pytest.CaptureFixture[str]):
    cells = [StudentId(m, 0, None, student) for student in ("", "small") for m in ("finetune", "b")]
    board = board_of(cells)
    board.stand(cells[2], 0.25)
    _, head, _, *lines = draw(board)
    assert head == "method all rows"
    assert lines == ["main", "finetune – 0 of 1 seed", "b – 0 of 1 seed",
                     "small", "finetune 25.0% 1 of 1 seed", "b – 0 of 1 seed"]  # fmt: skip
    with Progress() as progress:
        watcher = progress.training()
        watcher.begins(cells)
        for student in ("", "small"):
            watcher.fits(student, Preflight(1_233_792, 1_233_792, 2**30, 8 * 2**30))
        each = {("", "finetune"): 9.0, ("small", "finetune"): 5.0, ("small", "b"): 5.0}
        watcher.plans(Forecast(4, 2, 600, each, 12.0))
    said = capsys.readouterr().err
    assert "main: 1.23 M parameters, about 1.0 GiB of 8.0 GiB\nsmall: 1.23 M parameters" in said
    assert "  main by finetune: about 9 s each\n" in said
    assert "  small by finetune, b: about 5 s each\n" in said


def test_calls_that_are_lost_with_a_worker_are_told(capsys: pytest.CaptureFixture[str]):
    with Progress() as progress:
        progress.annotation(recorder.Progress(total=8, from_ledger=0))
        progress.annotation(recorder.Progress(total=8, from_ledger=0, answered=8, lost=4))
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("teacher: 8/8  0 from ledger, 4 lost with a worker and asked again, ")


def test_what_a_person_is_told_under_the_scores(capsys: pytest.CaptureFixture[str]):
    """A method with one seed beside others with more, and a folder that reads like markup."""
    results = make_results(("finetune", "step-by-step"), sizes=(1000,))
    first, second = results.methods
    single = replace(second, score=replace(second.score, seeds=1))
    place = SimpleNamespace(folder=RunFolder("r[1]/x[red]y"))
    show_results(replace(results, methods=[first, single]), cast("Experiment", place))
    said = capsys.readouterr().out
    assert "One seed of step-by-step: the intervals leave out how much" in said
    assert "report:  r[1]/x[red]y/report/report.html" in said
    show_results(replace(results, methods=[single]), cast("Experiment", place))
    assert "One seed each: " in capsys.readouterr().out
