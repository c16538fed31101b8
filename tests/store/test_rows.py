"""Rows become examples, whatever they are kept in."""

import json
from pathlib import Path

import datasets
import pyarrow
import pyarrow.parquet
import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, Exemplar, RowFormat, Task
from distilwhy.errors import ConfigError, DataError
from distilwhy.store.examples import read_examples, read_exemplars
from distilwhy.store.rows import HubSplit, read_rows

LABELS = Answer("choice", ("yes", "no"))
SIMPLE = Task("", RowFormat("{{ text }}", gold="label"), LABELS)
QUESTION = Task(
    "",
    RowFormat(
        "{{ question }}\n{{ choices.text | lettered }}", gold="answerKey", options="choices.text"
    ),
    Answer("choice"),
)
ROWS = [
    {"id": "r1", "text": "First", "label": "yes"},
    {"id": "r2", "text": "Second “é”", "label": "NO"},
    {"id": "r3", "text": "Third", "label": None},
]
EXAMPLES = [
    Example("r1", "First", (), "yes"),
    Example("r2", "Second “é”", (), "no"),
    Example("r3", "Third", (), None),
]


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: list[dict[str, object]]) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def test_jsonl(tmp_path):
    assert read_examples(write_jsonl(tmp_path / "rows.jsonl", ROWS), SIMPLE) == EXAMPLES


def test_jsonl_may_have_empty_lines_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('\ufeff{"text": "First"}\n\n\n{"text": "Second"}\n', encoding="utf-8")
    assert [e.id for e in read_examples(path, SIMPLE)] == ["rows-1", "rows-4"]


def test_csv(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('id,text,label\nr1,First,yes\nr2,"Second “é”",NO\nr3,Third,\n', "utf-8-sig")
    assert read_examples(path, SIMPLE) == EXAMPLES


def test_a_csv_cell_may_hold_lines_and_commas(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('id,text,label\nr1,"One, two\nthree",yes\nr2,Next,no\n', encoding="utf-8")
    assert [e.text for e in read_examples(path, SIMPLE)] == ["One, two\nthree", "Next"]


def test_a_csv_cell_may_be_long(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(f"text\n{'x' * 200_000}\n", encoding="utf-8")
    assert [len(e.text) for e in read_examples(path, SIMPLE)] == [200_000]


def bad_utf8() -> pyarrow.Array:
    offsets, data = b"\0\0\0\0\1\0\0\0\2\0\0\0", b"a\xff"
    buffers = [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(data)]
    return pyarrow.Array.from_buffers(pyarrow.string(), 2, buffers)


@pytest.mark.parametrize(
    "column", [bad_utf8(), pyarrow.array([0, 2**60], pyarrow.timestamp("ms"))], ids=["text", "time"]
)
def test_a_parquet_value_that_cannot_be_read(tmp_path, column):
    path = tmp_path / "rows.parquet"
    table = pyarrow.table({"text": ["First", "Second"], "other": column})
    pyarrow.parquet.write_table(table, path, row_group_size=1)
    with pytest.raises(DataError) as caught:
        read_examples(path, SIMPLE)
    assert str(caught.value).startswith(f"{path} row 2: a value cannot be read (")
    assert str(caught.value).endswith("; correct the row")


def test_bytes_of_parquet_are_text_where_they_are_utf8(tmp_path):
    row = {"text": "é".encode(), "label": b"yes", "image": {"bytes": b"\xff"}}
    path = write_parquet(tmp_path / "rows.parquet", [row])
    assert read_examples(path, SIMPLE) == [Example("rows-1", "é", (), "yes")]
    for broken in ({"text": b"\xff"}, {"text": "a", "label": b"\xff"}):
        with pytest.raises(DataError, match=r"rows\.parquet row 1: "):
            read_examples(write_parquet(tmp_path / "rows.parquet", [broken]), SIMPLE)


def test_parquet(tmp_path):
    assert read_examples(write_parquet(tmp_path / "rows.parquet", ROWS), SIMPLE) == EXAMPLES


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet"])
def test_rows_without_an_id_are_numbered(tmp_path, name):
    path = tmp_path / name
    if name.endswith("csv"):
        path.write_text("id,text\n,First\n,Second\n", encoding="utf-8")
    else:
        write = write_jsonl if name.endswith("jsonl") else write_parquet
        write(path, [{"text": "First"}, {"text": "Second"}])
    assert [e.id for e in read_examples(path, SIMPLE)] == ["rows-1", "rows-2"]


def test_the_id_may_stand_in_another_field(tmp_path):
    task = Task("", RowFormat("{{ text }}", id="meta.key"), LABELS)
    path = write_jsonl(tmp_path / "rows.jsonl", [{"text": "First", "meta": {"key": 17}}])
    assert read_examples(path, task) == [Example("17", "First")]


@pytest.mark.parametrize("gold", ["B", "b", "mall", "Mall"])
def test_nested_options_and_gold_by_letter_or_text(tmp_path, gold):
    row = {"question": "Where?", "choices": {"text": ["park", "mall"]}, "answerKey": gold}
    [example] = read_examples(write_jsonl(tmp_path / "rows.jsonl", [row]), QUESTION)
    text = "Where?\n(a) park\n(b) mall"
    assert example == Example("rows-1", text, ("park", "mall"), "mall")


def test_a_dotted_name_may_be_a_field_of_its_own(tmp_path):
    task = Task("", RowFormat("{{ q }}", gold="a.b", options="c.d"), Answer("choice"))
    row = {"q": "Where?", "a.b": "no", "c.d": ["yes", "no"]}
    [example] = read_examples(write_jsonl(tmp_path / "rows.jsonl", [row]), task)
    assert (example.options, example.gold) == (("yes", "no"), "no")


def test_options_in_a_csv_cell_are_json_and_the_template_gets_the_list(tmp_path):
    task = Task(
        "", RowFormat("{{ q }}\n{{ choices | lettered }}", "gold", "choices"), Answer("choice")
    )
    path = tmp_path / "rows.csv"
    path.write_text('q,choices,gold\nWhere?,"[""park"", ""mall""]",b\n', encoding="utf-8")
    [example] = read_examples(path, task)
    assert example == Example("rows-1", "Where?\n(a) park\n(b) mall", ("park", "mall"), "mall")


@pytest.mark.parametrize(
    ("kind", "gold", "canonical"),
    [
        *[("number", 42.0, "42"), ("number", "1,234", "1234"), ("equation", "(84/2)", "84 / 2")],
        *[("number", 1e-07, "0.0000001"), ("equation", 1e16, "1" + "0" * 16)],
    ],
)
def test_gold_is_brought_into_canonical_form(tmp_path, kind, gold, canonical):
    task = Task("", RowFormat("{{ q }}", gold="gold"), Answer(kind))
    [example] = read_examples(write_jsonl(tmp_path / "r.jsonl", [{"q": "?", "gold": gold}]), task)
    assert example.gold == canonical


def test_gold_may_be_nowhere(tmp_path):
    path = write_jsonl(tmp_path / "rows.jsonl", [{"text": "First"}])
    assert read_examples(path, SIMPLE)[0].gold is None
    assert read_examples(path, Task("", RowFormat("{{ text }}"), LABELS))[0].gold is None


def test_a_hub_dataset(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "cqa.v2"
    folder.mkdir()
    rows = [
        {"question": "Where?", "choices": {"text": ["park", "mall"]}, "answerKey": "A"},
        {"question": "Who?", "choices": {"text": ["me", "you", "all"]}, "answerKey": "C"},
    ]
    write_jsonl(folder / "train.jsonl", rows)
    write_jsonl(folder / "test.jsonl", rows[:1])
    source = HubSplit(str(folder), "train")
    assert read_examples(source, QUESTION) == [
        Example("cqa.v2[train]-1", "Where?\n(a) park\n(b) mall", ("park", "mall"), "park"),
        Example("cqa.v2[train]-2", "Who?\n(a) me\n(b) you\n(c) all", ("me", "you", "all"), "all"),
    ]
    [test_example] = read_examples(HubSplit(str(folder), "test"), QUESTION)
    assert test_example.id == "cqa.v2[test]-1"


def test_class_labels_are_read_by_their_names(monkeypatch):
    names = datasets.ClassLabel(names=["yes", "no"])
    features = datasets.Features({"text": datasets.Value("string"), "label": names})
    table = datasets.Dataset.from_dict(
        {"text": ["First", "Second", "Third"], "label": [1, None, -1]}, features=features
    )
    asked = []

    def load(*arguments: object, **options: object) -> datasets.Dataset:
        asked.append((arguments, options))
        return table

    monkeypatch.setattr(datasets, "load_dataset", load)
    rows = list(read_rows(HubSplit("owner/nli", "train", "plain")))
    assert asked == [(("owner/nli", "plain"), {"split": "train"})]
    assert rows[0] == ({"text": "First", "label": "no"}, "owner/nli[train] row 1")
    assert rows[1][0]["label"] is None


def test_a_hub_dataset_that_cannot_be_loaded(monkeypatch):
    def load(*arguments: object, **options: object) -> None:
        raise datasets.exceptions.DatasetNotFoundError("Dataset 'x/y' doesn't exist\non the Hub")

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(DataError) as caught:
        read_examples(HubSplit("x/y", "train"), SIMPLE)
    assert str(caught.value) == (
        "x/y[train]: cannot be loaded from the hub (Dataset 'x/y' doesn't exist); check its name"
    )


def test_exemplars_have_a_label_and_reasons_on_one_line():
    row = {"text": "First", "label": "yes", "rationale": " It is\n  so. "}
    assert read_exemplars([(row, "exp.yaml: exemplar 1")], SIMPLE) == (
        Exemplar(Example("exp.yaml: exemplar 1", "First", (), "yes"), "It is so."),
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.jsonl", b"", "has no rows; give it some"),
        ("r.csv", b"id,text\n", "has no rows; give it some"),
        ("r.txt", b"x", "unknown format '.txt'; use .jsonl, .json, .csv or .parquet"),
        ("r.jsonl", b'{"text": "caf\xe9"}', "is not UTF-8 text; save it as UTF-8"),
        ("r.csv", b"text\ncaf\xe9\n", "is not UTF-8 text; save it as UTF-8"),
        ("r.jsonl", b'{"text": "a"}\n[1]\n', " row 2: is list, not an object with fields; correct"),
        ("r.jsonl", b'{"text": "a"}\n{"text"\n', 
         " row 2: is not JSON (EOF while parsing an object at column 7); correct the line"),
        ("r.jsonl", b"[" * 100_000, " row 1: is not JSON (recursion limit exceeded at column "),
        ("r.jsonl", b'{"text": "\\ud83d"}\n', " row 1: is not JSON ("),
        ("r.csv", b"id,text\n1,a,b\n", " row 1: its cells do not match the header line; correct"),
        ("r.csv", b"id,text\n1\n", " row 1: its cells do not match the header line; correct"),
        ("r.csv", b'text\n"' + b"x" * 10_000_001,
         " row 1: is not CSV (field larger than field limit (10000000), is a quote never closed?)"),
        ("r.parquet", b"PAR1 not", "cannot be read as Parquet ("),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_examples(path, SIMPLE)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file():
    with pytest.raises(DataError, match=r"^nowhere\.jsonl: no such file; check the path"):
        read_examples("nowhere.jsonl", SIMPLE)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ nothing }}", "'nothing' is undefined); the row's fields are id, label, text"),
        ("{{ text.nothing.more }}", "'str object' has no attribute 'nothing'"),
        ("{{ 1 / 0 }}", "division by zero); correct it, or the row"),
        ("{{ text.index('z') }}", "(substring not found); correct it, or the row"),
        ("{{ text | lettered }}", "'lettered' needs a list, not 'First'); correct it, or the row"),
        ("{{ ''.__class__.__mro__ }}", "is unsafe"),
        ("{{ text[99:] }}", "its input is empty; fill its fields or leave the row out"),
    ],
)
def test_a_row_that_the_template_cannot_take(tmp_path, template, reason):
    path = write_jsonl(tmp_path / "rows.jsonl", ROWS)
    with pytest.raises(DataError) as caught:
        read_examples(path, Task("", RowFormat(template), LABELS))
    assert str(caught.value).startswith(f"{path} row 1: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ text }}", "its input is empty (text is null); fill its fields or leave the row out"),
        ("{{ text.strip() }}", "'None' has no attribute 'strip') (text is null); the row's fields"),
        ("{{ text | length }}", "has no len()) (text is null); correct it, or the row"),
    ],
)
def test_a_null_is_never_worded(tmp_path, template, reason):
    path = write_jsonl(tmp_path / "rows.jsonl", [{"text": None, "label": None}])
    with pytest.raises(DataError) as caught:
        read_examples(path, Task("", RowFormat(template), LABELS))
    assert reason in str(caught.value)
    [example] = read_examples(path, Task("", RowFormat("So: {{ text }}"), LABELS))
    assert example.text == "So:"


@pytest.mark.parametrize("options", ["[" * 100_000, [None, "park"]], ids=["nested", "null"])
def test_options_that_are_none(tmp_path, options):
    path = write_jsonl(tmp_path / "rows.jsonl", [{"q": "Where?", "o": options}])
    with pytest.raises(DataError, match="row 1: its options, 'o', ") as caught:
        read_examples(path, Task("", RowFormat("{{ q }}", options="o"), Answer("choice")))
    assert len(str(caught.value)) < 500 + len(str(path))


@pytest.mark.parametrize("template", ["{{ text", "{% if %}", "{{ text | nofilter }}"])
def test_a_template_that_is_none(tmp_path, template):
    with pytest.raises(ConfigError, match=r"^task input, line 1: .*; correct the template$"):
        read_examples(
            write_jsonl(tmp_path / "r.jsonl", ROWS), Task("", RowFormat(template), LABELS)
        )
