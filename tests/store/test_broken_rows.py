"""Rows that would be read as something that nobody wrote: the error names the row and the field."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from conftest import TRAIN, WriteExperiment, dump_rows
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import RowFormat, Task
from distilwhy.errors import ConfigError, DataError
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.store.examples import read_examples

TASK = Task("", RowFormat("{{ x }}", gold="y"), Answer("text"))
CHOICE = Task("", RowFormat("{{ x }}", options="o"), Answer("choice"))


@pytest.mark.parametrize(
    ("line", "task", "problem"),
    [
        ('{"x": NaN, "y": "a"}', TASK, "'x' is NaN"),
        ('{"x": "a", "y": NaN}', TASK, "gold label in 'y' is NaN"),
        ('{"x": "a", "id": NaN}', TASK, "its id, 'id', is NaN"),
        ('{"x": "a", "o": ["b", NaN]}', CHOICE, "its options, 'o', is NaN"),
        ('{"x": "a", "id": ' + "9" * 5000 + "}", TASK, "is not JSON"),
        ('{"x": "a", "x": "b"}', TASK, "the field 'x' is given twice"),
        ('{"x": "a", "z": {"w": 1, "w" : 2}}', TASK, "the field 'w' is given twice"),
        ('{"x": "half \\ud83d"}', TASK, "is not JSON"),
    ],
)
def test_a_value_that_nobody_wrote_is_named_with_its_row(
    tmp_path: Path, line: str, task: Task, problem: str
):
    for name, text in (("a.jsonl", line), ("a.json", f"[{line}]")):
        (tmp_path / name).write_text(text + "\n")
        with pytest.raises(DataError) as caught:
            read_examples(tmp_path / name, task)
        assert problem in str(caught.value)
        assert str(caught.value).startswith(f"{tmp_path / name}")


def test_a_value_with_the_marks_of_json_in_it_is_read(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text('{"x": "he said \\"y\\": no, \\"y\\": yes"}\n')
    (found,) = read_examples(tmp_path / "a.jsonl", TASK)
    assert found.text == 'he said "y": no, "y": yes'


def test_a_column_that_is_given_twice_is_an_error(tmp_path: Path):
    (tmp_path / "a.csv").write_text("id,x,x\n1,a,b\n")
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["x", "x"])
    parquet.write_table(table, tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        with pytest.raises(DataError, match="the column 'x' is given twice; rename or remove one"):
            read_examples(tmp_path / name, TASK)


@pytest.mark.parametrize("names", ["x, x", "x,x ", "\ufeffx,x", "e\u0301x,\u00e9x", '"x","\tx"'])
def test_columns_that_look_the_same_are_doubled_too(tmp_path: Path, names: str):
    (tmp_path / "a.csv").write_text(
        f"id,{names}\n1,a,b\n" if "\ufeff" not in names else f"{names},id\na,b,1\n"
    )
    with pytest.raises(DataError, match="is given twice; rename or remove one"):
        read_examples(tmp_path / "a.csv", TASK)


def test_columns_without_a_name_may_be_several(tmp_path: Path):
    (tmp_path / "a.csv").write_text("id,x,,\n1,a,,\n")
    assert read_examples(tmp_path / "a.csv", TASK)[0].text == "a"


def test_an_id_column_that_is_not_there_is_an_error(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text('{"uuid": "7", "x": "a"}\n')
    task = Task("", RowFormat("{{ x }}", id="uid"), Answer("text"))
    with pytest.raises(DataError, match="row 1: has no field 'uid', which the task's 'id' names"):
        read_examples(tmp_path / "a.jsonl", task)


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("message", "names no field of a row"),
        ("{{ 'message' }} {{ range(3) | join }}", "names no field of a row"),
        ("{{ message }} ({{ kind }})", "shows 'kind', which is the gold label"),
        ("{{ message }} ({{ row['kind'] }})", "shows 'kind', which is the gold label"),
        ("{{ message }}{% if kind == 'praise' %}!{% endif %}", "shows 'kind', which is the gold"),
    ],
)
def test_an_input_that_says_nothing_or_the_answer_is_refused(
    write_experiment: WriteExperiment, template: str, problem: str
):
    with pytest.raises(ConfigError) as caught:
        open_experiment(write_experiment({"task.input": template}))
    assert problem in str(caught.value)


def test_a_template_may_have_a_name_of_its_own_that_is_the_gold_field_s(
    write_experiment: WriteExperiment,
):
    template = "{{ message }}{% for kind in ['a', 'b'] %}{{ kind }}{% endfor %}"
    assert open_experiment(write_experiment({"task.input": template})).splits.train


def test_a_column_with_a_space_can_be_named(write_experiment: WriteExperiment):
    rows = [{**row, "Report Text": row["message"]} for row in TRAIN]
    path = write_experiment(
        {"task.input": '{{ row["Report Text"] }}', "data.test": None, "task.exemplars": []},
        train=dump_rows(rows),
    )
    assert open_experiment(path).splits.train[0].text.startswith("Message")
