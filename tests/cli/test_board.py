from collections.abc import Sequence

from rich.console import Console

from distilwhy.cli.screen import Board
from distilwhy.core.student_id import StudentId

STUDENTS = [
    StudentId(method, seed, rows)
    for rows in (90, None)
    for seed in (0, 1)
    for method in ("finetune", "b")
]


def draw(board: Board) -> list[str]:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(board)
    return [" ".join(line.split()) for line in capture.get().splitlines() if line.strip()]


def board_of(students: Sequence[StudentId]) -> Board:
    board = Board()
    board.start(students)
    return board


def test_a_cell_is_the_mean_over_the_trained_seeds():
    board = board_of(STUDENTS)
    assert draw(board)[-2:] == [f"{m} – 0 of 2 seeds – 0 of 2 seeds" for m in ("finetune", "b")]
    board.add(StudentId("finetune", 0, 90), 0.1)
    board.add(StudentId("finetune", 1, 90), 0.25)
    board.add(StudentId("b", 1), 1.0)
    title, head, _, *lines = draw(board)
    assert (title, head) == ("Validation accuracy so far", "method 90 rows all rows")
    assert lines == [
        "finetune 17.5% 2 of 2 seeds – 0 of 2 seeds",
        "b – 0 of 2 seeds 100.0% 1 of 2 seeds",
    ]


def test_one_student_alone_has_no_board():
    assert not board_of(STUDENTS[:1]).is_shown
    assert board_of(STUDENTS[:2]).is_shown


def test_the_students_of_a_study_are_told_apart_by_name():
    students = [
        StudentId(method, 0, None, name) for name in ("", "small") for method in ("finetune", "b")
    ]
    board = board_of(students)
    board.add(students[2], 0.25)
    _, head, _, *lines = draw(board)
    assert head == "method all rows"
    assert lines == [
        "main",
        "finetune – 0 of 1 seed",
        "b – 0 of 1 seed",
        "small",
        "finetune 25.0% 1 of 1 seed",
        "b – 0 of 1 seed",
    ]
