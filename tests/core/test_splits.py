import pytest

from distilwhy.core.splits import Splits, check_splits, set_aside
from distilwhy.core.task import Example
from distilwhy.errors import DataError

ROWS = [Example(str(i), f"text {i}") for i in range(100)]
FILES = {"train": "train.jsonl", "validation": "val.jsonl", "test": "test.jsonl"}


def example(identity: str, text: str, options: tuple[str, ...] = ()) -> Example:
    return Example(identity, text, options, "g")


def test_setting_a_share_aside_keeps_the_order():
    train, validation = set_aside(ROWS, 0.2)
    assert (len(train), len(validation)) == (80, 20)
    assert sorted([*train, *validation], key=ROWS.index) == ROWS
    assert list(train) == sorted(train, key=ROWS.index)
    assert list(validation) == sorted(validation, key=ROWS.index)


def test_the_choice_does_not_depend_on_the_order_of_rows():
    assert set(set_aside(ROWS, 0.2)[1]) == set(set_aside(ROWS[::-1], 0.2)[1])


def test_the_choice_hardly_changes_when_rows_are_added():
    before = set(set_aside(ROWS, 0.2)[1])
    after = set(set_aside([*ROWS, *(Example(f"n{i}", f"new {i}") for i in range(5))], 0.2)[1])
    assert len(before - after) <= 3


@pytest.mark.parametrize(
    ("rows", "share", "sizes"),
    [(2, 0.01, (1, 1)), (2, 0.9, (1, 1)), (3, 0.99, (1, 2)), (10, 0.25, (8, 2))],
)
def test_both_parts_get_at_least_one_row(rows, share, sizes):
    train, validation = set_aside(ROWS[:rows], share)
    assert (len(train), len(validation)) == sizes


def test_the_splits_by_name():
    splits = Splits((ROWS[0],), (ROWS[1],), (ROWS[2],))
    assert splits.named("validation") == (ROWS[1],)
    assert list(splits.all()) == ROWS[:3]
    check_splits(splits, FILES)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (
            Splits((), (ROWS[1],), ()),
            "train.jsonl: the train split is empty; give it rows",
        ),
        (
            Splits((ROWS[0],), (), ()),
            "val.jsonl: the validation split is empty; give it rows",
        ),
        (
            Splits((example("1", "a"),), (example("2", "b"),), (example("1", "c"),)),
            "test.jsonl: id '1' is used twice (in train and in test); give each row its own id",
        ),
        (
            Splits((example("1", "a"), example("1", "b")), (example("2", "c"),), ()),
            "train.jsonl: id '1' is used twice (in train and in train); give each row its own id",
        ),
        (
            Splits((example("1", "A  Cat"),), (example("2", "b"),), (example("3", "a cat"),)),
            "test.jsonl: test row '3' is also in train, as '1'; remove it from one of them",
        ),
        (
            Splits((example("1", "a"),), (example("2", "b"),), (example("3", "b"),)),
            "test.jsonl: test row '3' is also in validation, as '2'; remove it from one of them",
        ),
    ],
)
def test_empty_or_overlapping_splits_are_refused(splits, message):
    with pytest.raises(DataError) as caught:
        check_splits(splits, FILES)
    assert str(caught.value) == message


def test_the_same_question_with_other_options_is_another_row():
    train, test = example("1", "Where?", ("a", "b")), example("3", "Where?", ("c", "d"))
    check_splits(Splits((train,), (example("2", "b"),), (test,)), FILES)


def test_the_test_split_may_be_empty():
    check_splits(Splits((ROWS[0],), (ROWS[1],), ()), FILES)
