"""Which methods are compared, and what students answered instead of gold."""

import string

import pytest
from sklearn.metrics import precision_recall_fscore_support

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.stats.comparisons import Prediction, compare_with_baselines, count_outcomes
from distilwhy.core.stats.confusions import break_down, confuse, says_one_thing
from distilwhy.core.student_id import StudentId
from distilwhy.core.task import Example

ROWS = 40


def right(count: int) -> list[bool]:
    return [row < count for row in range(ROWS)]


def test_comparisons_are_within_a_student_and_a_number_of_rows():
    cells = [
        StudentId(method, 0, rows, student)
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
        StudentId(method, 0, rows, student): table
        for (student, rows), tables in {
            ("", None): pair, ("small", None): alike, ("", 30): pair,
        }.items()
        for method, table in tables.items()
    }  # fmt: skip
    found = {(v.student, v.rows): v.comparison for v in compare_with_baselines(correct)}
    for one in (found["", 30], found["", None]):
        assert one.adjusted == 3 * one.p < 1
    assert found["small", None].adjusted == 1.0


def test_the_teacher_is_scored_over_all_rows_and_over_the_parsed_ones():
    answer = Answer("choice", ("a", "b"))
    said = [("a", "ok"), ("b", "ok"), ("b", "ok"), (None, "unparsed"), (None, "failed")]
    rows = [
        (Example(str(i), "", (), "a"), Annotation(str(i), outcome, "why", label))
        for i, (label, outcome) in enumerate(said)
    ]
    rows += [(Example("x", ""), Annotation("x", "ok", "why", "a")), (Example("y", ""), None)]
    found = count_outcomes(answer, rows)
    assert (found.score.accuracy, found.score.rows) == (1 / 4, 4)
    assert (found.parsed_score.accuracy, found.parsed_score.rows) == (1 / 3, 3)
    assert (found.parsed_share, found.without_gold) == (4 / 5, 2)
    nothing = count_outcomes(answer, rows[3:5])
    assert (nothing.score.accuracy, nothing.parsed_score) == (0, None)


def examine(
    *rows: tuple[str | None, str | None], options: tuple[str, ...] = ()
) -> tuple[list[Example], dict[str, Prediction]]:
    """Rows as they were asked, of gold and answered labels, and what was answered."""
    examples = [Example(str(i), "", options, gold) for i, (gold, _) in enumerate(rows)]
    said = {str(i): Prediction(str(i), "", answered) for i, (_, answered) in enumerate(rows)}
    return examples, said


def test_labels_are_sorted_by_frequency():
    """One label is never gold, and one row has none."""
    found = confuse("m", *examine(("b", "b"), ("a", "b"), ("b", None), ("b", "c"), (None, "a")))
    assert found.labels == ["b", "a"]
    assert found.counts == [[1, 0, 2], [1, 0, 0]]
    assert not found.by_place


def test_rare_labels_are_grouped():
    letters = string.ascii_lowercase[:17]
    found = confuse("m", *examine(*zip(letters, letters, strict=True), ("a", "q")))
    assert found.labels[-1] == "other labels"
    assert len(found.labels) == 16
    assert found.counts[0][:1] + found.counts[0][-2:] == [1, 1, 0]
    assert found.counts[-1][-2:] == [2, 0]
    assert sum(map(sum, found.counts)) == 18


def test_options_are_counted_by_position():
    rows = examine(
        ("park", "park"), ("mall", "park"), ("zoo", None), options=("zoo", "mall", "park")
    )
    found = confuse("m", *rows)
    assert found.labels == ["(a)", "(b)", "(c)"]
    assert found.counts == [[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 1, 0]]
    assert found.by_place


def test_a_breakdown_counts_open_answers():
    rows = examine(("2 + 3", "3 + 2"), ("7", "8"), ("7", "8"), ("1", "2"), ("1", None), (None, "4"))
    found = break_down("m", Answer("equation"), *rows)
    assert (found.right, found.wrong, found.none) == (1, 3, 1)
    assert found.pairs == [("7", "8", 2), ("1", "2", 1)]


def test_a_student_with_one_answer_to_everything_is_detected():
    gold = [("a", "a"), ("b", "a")] * 10
    assert says_one_thing(*examine(*gold))
    assert not says_one_thing(*examine(*gold[:4]))
    assert not says_one_thing(*examine(*gold, ("b", "b")))
    assert not says_one_thing(*examine(*[("a", "a")] * 20))
    assert not says_one_thing(*examine(*[("a", None), ("b", None)] * 10))


def test_each_label_has_precision_recall_and_f1_as_scikit_learn_computes_them():
    pairs = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "b"), ("c", "a"), ("c", None), ("a", "d")]
    found = confuse("finetune", *examine(*pairs))
    table = precision_recall_fscore_support(
        [gold for gold, _ in pairs],
        [answer or "none" for _, answer in pairs],
        labels=[one.label for one in found.each],
        zero_division=0,
    )
    ours = [(o.precision or 0, o.recall or 0, o.f1, o.rows) for o in found.each]
    assert ours == [pytest.approx(line) for line in zip(*table, strict=True)]
    assert {one.label for one in found.each} == {"a", "b", "c", "d"}
    assert found.macro_f1 == pytest.approx(sum(table[2]) / 4)
    never = {one.label: (one.precision, one.recall) for one in found.each}
    assert (never["c"], never["d"]) == ((None, 0.0), (0.0, None))
    placed = confuse("finetune", *examine(("x", "x"), ("y", "x"), options=("x", "y")))
    assert (placed.each, placed.macro_f1) == ([], None)
