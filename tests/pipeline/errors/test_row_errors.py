"""A mistake in the rows or exemplars is found before any call, and reported on one line."""

import json

import pytest
import yaml

from conftest import DROP, TEST, TRAIN
from distilwhy.errors import DataError
from distilwhy.pipeline.experiment import open_experiment
from error_of import error_of

MISSING = "no such file; check the path"
UNREAD = "cannot be read (No such file or directory); check the path"
OPTIONS = {"task.answer": {"kind": "choice", "options": "opts"}, "task.exemplars": []}
WHICH = "its options, 'opts', must be a list of two or more; found"
OUTSIDE = "in 'kind' is outside the answer space; it must be"
EXEMPLAR = {"message": "m", "kind": "damage", "rationale": "r"}
WITHOUT_GOLD = [{"id": row["id"], "message": row["message"]} for row in TRAIN]


@pytest.mark.parametrize(
    ("changes", "file", "message"),
    [
        ({"task": "task.yaml"}, "task.yaml", f": {UNREAD}"),
        ({"task.exemplars": "ex.yaml"}, "ex.yaml", f": {UNREAD}"),
        ({"task.exemplars": "ex.jsonl"}, "ex.jsonl", f": {MISSING}"),
        ({"data.train": "rows.jsonl"}, "rows.jsonl", f": {MISSING}"),
        ({"data.validation": "rows.jsonl"}, "rows.jsonl", f": {MISSING}"),
        ({"data.test": "rows.jsonl"}, "rows.jsonl", f": {MISSING}"),
        ({"data.train": "exp.yaml"}, "exp.yaml",
         ": unknown format '.yaml'; use .jsonl, .json, .csv or .parquet"),
        ({"task.input": "{{ mesage }}"}, "exp.yaml", ": exemplar 1: the input template cannot be "
         "filled ('mesage' is undefined); the row's fields are kind, message, rationale"),
        ({"task.input": "{{ mesage }}", "task.exemplars": []}, "train.jsonl", " row 1: the input "
         "template cannot be filled ('mesage' is undefined); the row's fields are id, kind, "
         "message"),
        ({"task.exemplars": [{**EXEMPLAR, "rationale": " "}]}, "exp.yaml",
         ": exemplar 1: an exemplar needs a 'rationale'; write its reasons there"),
        ({"task.exemplars": [EXEMPLAR, {"message": "m", "rationale": "r"}]}, "exp.yaml",
         ": exemplar 2: an exemplar needs its answer in 'kind'; write it there"),
        ({"task.gold": DROP}, "exp.yaml", ": exemplar 1: an exemplar needs its answer; name its "
         "field in the task's 'gold' (rows may be without it)"),
        ({"task.exemplars": [{**EXEMPLAR, "kind": "harm"}]}, "exp.yaml", ": exemplar 1: gold label "
         f"'harm' {OUTSIDE} one of damage, question, praise"),
        (OPTIONS, "train.jsonl", f" row 1: {WHICH} None"),
    ],
)  # fmt: skip
def test_a_missing_file_or_field_is_named(write_experiment, changes, file, message):
    path = write_experiment(changes)
    assert str(error_of(path)) == f"{path.parent / file}{message}"


def test_exemplars_can_be_in_a_file_of_their_own(write_experiment, tmp_path):
    path = write_experiment({"task.exemplars": "ex.yaml"})
    exemplars = tmp_path / "ex.yaml"
    exemplars.write_text(yaml.safe_dump([EXEMPLAR]))
    assert open_experiment(path).task.exemplars[0].rationale == "r"
    exemplars.write_text("a: [\n")
    assert str(error_of(path)).startswith(f"{exemplars} line 2: is not valid YAML (")
    exemplars.write_text("a: 1\n")
    assert str(error_of(path)) == (
        f"{exemplars}: must be a list of exemplars, each with its fields"
    )


def row(**changes: object) -> dict[str, object]:
    return {**TRAIN[1], **changes}


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("", ": has no rows; give it some"),
        ("\n\n", ": has no rows; give it some"),
        (TRAIN[:1], ": one row cannot be split into train and validation; give it more"),
        ('{"id": 1, "message": "x"\n',
         " row 1: is not JSON (EOF while parsing an object at column 24); correct the line"),
        ('{"id": 1, "message": "x"}\n"x"\n',
         " row 2: is str, not an object with fields; correct the line"),
        ([TRAIN[0], row(message=" ")],
         " row 2: its input is empty; fill its fields or leave the row out"),
        ([TRAIN[0], {"id": "b"}], " row 2: the input template cannot be filled ('message' is "
         "undefined); the row's fields are id"),
        ([TRAIN[0], TRAIN[1], row(id="a0")],
         " row 3: id 'a0' already stands in row 1; give each row its own id"),
        ([TRAIN[0], row(kind="wine")],
         f" row 2: gold label 'wine' {OUTSIDE} one of damage, question, praise"),
    ],
)  # fmt: skip
def test_an_invalid_train_row_is_named(write_experiment, train, message):
    path = write_experiment(train=train)
    error = error_of(path)
    assert isinstance(error, DataError)
    assert str(error) == f"{path.parent / 'train.jsonl'}{message}"


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ([{**TEST[0], "id": "a3"}],
         ": id 'a3' is used twice (in validation and in test); give each row its own id"),
        ([{**TEST[0], "message": "MESSAGE  3."}],
         ": test row 't0' is also in validation, as 'a3'; remove it from one of them"),
        ([{**TEST[0], "message": "Message 0."}],
         ": test row 't0' is also in train, as 'a0'; remove it from one of them"),
        ([TEST[0], {"id": "t9", "message": "m"}], ": test row 't9' has no gold label (field "
         "'kind'); a score needs one on every test row, so write it there"),
    ],
)  # fmt: skip
def test_an_invalid_test_row_is_named(write_experiment, test, message):
    path = write_experiment(test=test)
    error = error_of(path)
    assert isinstance(error, DataError)
    assert str(error) == f"{path.parent / 'test.jsonl'}{message}"


@pytest.mark.parametrize("options", ["park, mall", '{"a": 1}', ["park"], 5])
def test_options_must_be_a_list_of_two_or_more(write_experiment, options):
    path = write_experiment(OPTIONS, train=[row(opts=options)])
    assert str(error_of(path)) == f"{path.parent / 'train.jsonl'} row 1: {WHICH} {options!r}"


@pytest.mark.parametrize(("kind", "gold"), [("number", "many"), ("equation", "2 +")])
def test_a_gold_label_must_be_of_the_answer_s_kind(write_experiment, kind, gold):
    path = write_experiment(
        {"task.answer": {"kind": kind}, "task.exemplars": []}, train=[row(kind=gold)]
    )
    assert str(error_of(path)) == (
        f"{path.parent / 'train.jsonl'} row 1: gold label {gold!r} {OUTSIDE} of kind {kind}"
    )


def test_a_method_that_learns_gold_labels_needs_some(write_experiment):
    path = write_experiment(train=WITHOUT_GOLD)
    assert str(error_of(path)) == (
        f"{path}: method 'finetune' learns gold labels, and no train row has one; give rows their "
        "gold label, or take it out of 'methods'"
    )


@pytest.mark.parametrize("method", ["same-label-rationales", "same-label-rationales-gold"])
def test_a_control_that_matches_labels_needs_fixed_ones(write_experiment, method):
    path = write_experiment(
        {"methods": [method], "task.answer": {"kind": "text"}, "task.exemplars": []}
    )
    assert str(error_of(path)) == (
        f"{path}: method {method!r} takes the rationales of rows with the same label, and the task "
        "has no fixed labels; use 'shuffled-rationales'"
    )


def test_validation_rows_need_labels_to_select_a_checkpoint(write_experiment):
    changes = {"methods": ["step-by-step"], "teacher.annotate": ["train"]}
    path = write_experiment(changes, train=WITHOUT_GOLD)
    assert str(error_of(path)) == (
        f"{path}: no validation row has a gold label to choose a checkpoint by, and "
        "teacher.annotate leaves out 'validation'; add it there, or give rows their gold label"
    )


def test_test_rows_need_a_gold_field(write_experiment):
    changes = {"task.gold": DROP, "task.exemplars": [], "methods": ["label-distill"]}
    path = write_experiment(changes)
    assert str(error_of(path)) == (
        f"{path.parent / 'test.jsonl'}: test row 't0' has no gold label (the task names no 'gold' "
        "field); a score needs one on every test row, so write it there"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task.gold": "knid", "task.exemplars": []},
         "test.jsonl: test row 't0' has no gold label (field 'knid'); a score needs one on every "
         "test row; did you mean 'kind'?"),
        ({"task.gold": "Kind", "task.exemplars": [], "data.test": None},
         "exp.yaml: method 'finetune' learns gold labels, and no train row has one; did you mean "
         "'kind'?"),
        ({"task.gold": "knid", "task.exemplars": [], "methods": ["step-by-step"],
          "data.test": None, "teacher.annotate": ["train"]},
         "exp.yaml: no validation row has a gold label to choose a checkpoint by, and "
         "teacher.annotate leaves out 'validation'; did you mean 'kind'?"),
        ({"task.gold": "knid"}, "exp.yaml: exemplar 1: an exemplar needs its answer in 'knid'; did "
         "you mean 'kind'?"),
        ({"task.answer": {"kind": "choice", "options": "kinds"}, "task.exemplars": []},
         f"train.jsonl row 1: {WHICH.replace('opts', 'kinds')} None; did you mean 'kind'?"),
    ],
)  # fmt: skip
def test_a_misspelt_field_gets_its_nearest_name(write_experiment, changes, message):
    path = write_experiment(changes)
    assert str(error_of(path)) == f"{path.parent}/{message}"


def test_a_json_list_is_read_wherever_jsonl_is(write_experiment, tmp_path):
    names = ("train", "test", "ex")
    for name, rows in zip(names, (TRAIN, TEST, [EXEMPLAR]), strict=True):
        (tmp_path / f"{name}.json").write_text(json.dumps(rows, indent=1))
    files = {"data.train": "train.json", "data.test": "test.json", "task.exemplars": "ex.json"}
    opened = open_experiment(write_experiment(files))
    assert [row.id for row in opened.splits.test] == [row["id"] for row in TEST]
    assert opened.task.exemplars[0].rationale == "r"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"id": 1, "message": "x"}, 5]', " row 2: is int, not an object with fields; correct the "
         "line"),
        ("[{]", ": is not JSON (key must be a string at line 1 column 3); correct the file"),
        ('{"id": 1}\n5\n', " row 2: is int, not an object with fields; correct the line"),
        ("[]", ": has no rows; give it some"),
    ],
)  # fmt: skip
def test_a_broken_json_list_is_named(write_experiment, tmp_path, text, message):
    (tmp_path / "rows.json").write_text(text)
    error = error_of(write_experiment({"data.train": "rows.json"}))
    assert str(error) == f"{tmp_path / 'rows.json'}{message}"
