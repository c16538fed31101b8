"""Which methods are compared, and that their comparisons are one family."""

from distilwhy.core.cell import Cell
from distilwhy.core.results import compare_with_baselines

ROWS = 40


def right(count: int) -> list[bool]:
    return [row < count for row in range(ROWS)]


def test_comparisons_are_within_a_student_and_a_number_of_rows():
    cells = [
        Cell(method, 0, rows, student)
        for student in ("", "small")
        for rows in (30, None)
        for method in ("step-by-step", "finetune", "label-distill")
    ]
    found = compare_with_baselines({cell: right(20) for cell in cells})
    assert [(v.student, v.rows, v.method, v.baseline) for v in found] == [
        (student, rows, "step-by-step", baseline)
        for rows in (30, None)
        for student in ("", "small")
        for baseline in ("finetune", "label-distill")
    ]


def test_all_comparisons_of_a_study_are_one_family():
    """Two that differ, on all rows and on fewer, beside one of another student that does not."""
    pair = {"step-by-step": right(28), "finetune": right(20)}
    alike = dict.fromkeys(pair, right(20))
    correct = {
        Cell(method, 0, rows, student): table
        for (student, rows), tables in {
            ("", None): pair, ("small", None): alike, ("", 30): pair,
        }.items()
        for method, table in tables.items()
    }  # fmt: skip
    found = {(v.student, v.rows): v.comparison for v in compare_with_baselines(correct)}
    for one in (found["", 30], found["", None]):
        assert one.adjusted == 3 * one.p < 1
    assert found["small", None].adjusted == 1.0
