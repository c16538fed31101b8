"""``distilwhy predict``: a text, fields or a file in, labels out."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from distilwhy.cli.app import app
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.errors import DataError
from distilwhy.students.student import Student
from tiny_students import CHOICE, scratch

TIERED = Task("", RowFormat("{{ report }} (tier: {{ tier }})", gold="label"), CHOICE.answer)
OWN = Task("", RowFormat("{{ x }}\n{{ among | lettered }}", options="among"), Answer("choice"))
BARE = Task("", RowFormat("{{ report }}"), CHOICE.answer)


def save(folder: Path, task: Task = TIERED, method: str = "finetune") -> Path:
    folder.mkdir()
    scratch(task, method).save(folder)
    return folder


@pytest.fixture
def student(tmp_path: Path) -> Path:
    return save(tmp_path / "student")


def predict(*arguments: object, fails: bool = False, **how: Any) -> Result:
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)], **how)
    assert (result.exit_code != 0) is fails, result.output
    return result


def label(folder: Path, text: str) -> str | None:
    return Student.load(folder).predict([Example("1", text)])[0].label


def write(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", '{"id": "1", "report": "x", "label": "y"}\n'),
        ("rows.csv", "id,report,label\n1,x,y\n"),
        ("notes.jsonl", "my notes\n"),
        ("list.jsonl", "[1]\n"),
        ("odd.csv", "\x00\n"),
    ],
)
def test_a_file_of_ones_own_is_not_overwritten(student: Path, tmp_path, name: str, content: str):
    (tmp_path / name).write_text(content)
    given = ("--field", "report=x", "--field", "tier=gold")
    result = predict(student, *given, "-o", tmp_path / name, fails=True)
    assert "something other than predictions" in " ".join(result.output.replace("│", " ").split())
    assert (tmp_path / name).read_text() == content


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_earlier_predictions_are_replaced(student: Path, tmp_path: Path, suffix: str):
    for tier in ("gold", "silver"):
        given = ("--field", "report=x", "--field", f"tier={tier}")
        predict(student, *given, "-o", tmp_path / f"out{suffix}")


def test_fields_fill_the_template(student: Path):
    shown = predict(student, "--field", "report=It broke = down", "--field", "tier=gold")
    assert shown.stdout.strip() == label(student, "It broke = down (tier: gold)")
    assert "template" not in shown.stderr


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (["report=x"], "--field: the input template cannot be filled ('tier' is undefined)"),
        (["report=x", "tire=1"], "--field tire: unknown field 'tire'; did you mean 'tier'?"),
        (["report=x", "report=y"], "--field 'report' is given twice"),
        (["report"], "--field 'report': write it as NAME=VALUE"),
    ],
)
def test_wrong_fields_are_named(student: Path, fields: list[str], why: str):
    result = predict(student, *(part for f in fields for part in ("--field", f)), fails=True)
    assert why in " ".join(f"{result.exception} {result.output}".split())


def test_options_are_a_field_too(tmp_path: Path):
    folder = save(tmp_path / "own", OWN)
    shown = predict(folder, "--field", "x=A lamp", "--field", 'among=["red", "blue"]')
    assert shown.stdout.strip() in {"red", "blue"}


def test_a_text_that_goes_round_a_template_says_so(student: Path, tmp_path: Path):
    shown = predict(student, "It broke (tier: gold)")
    assert shown.stdout.strip() == label(student, "It broke (tier: gold)")
    assert "'{{ report }} (tier: {{ tier }})'" in shown.stderr
    assert "--field report=… --field tier=…" in shown.stderr
    assert "template" not in predict(save(tmp_path / "bare", BARE), "It broke").stderr


def test_a_dash_reads_one_text_from_standard_input(tmp_path: Path):
    folder = save(tmp_path / "bare", BARE)
    shown = predict(folder, "-", input="It broke\nagain é\n")
    assert shown.stdout.strip() == label(folder, "It broke\nagain é")


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text_is_refused(student: Path, text: str):
    for arguments in ([text], ["-"]):
        result = predict(student, *arguments, fails=True, input=text)
        assert "the text is empty" in str(result.exception)


def test_an_empty_row_gets_no_label_and_the_others_theirs(tmp_path: Path):
    folder = save(tmp_path / "bare", BARE)
    rows = write(tmp_path / "rows.jsonl", {"report": "a"}, {"report": " "}, {"report": None})
    shown = predict(folder, "--file", rows)
    assert [line["label"] for line in lines(shown.stdout)] == [label(folder, "a"), None, None]
    assert "2 rows with an empty input got no label" in shown.stderr
    assert "rows.jsonl row 2, and 1 more" in shown.stderr
    write(rows, {"report": ""})
    assert lines(predict(folder, "--file", rows).stdout)[0]["label"] is None
    rows.write_text("")
    assert "has no rows" in str(predict(folder, "--file", rows, fails=True).exception)


ROWS: list[dict[str, object]] = [
    {"id": "a", "report": 'It "broke",\nagain', "tier": "1", "label": "Accounts", "note": "é"},
    {"id": "b", "report": "no", "tier": "2", "label": "anything", "note": ""},
]


@pytest.mark.parametrize("given", [".jsonl", ".csv"])
@pytest.mark.parametrize("written", [".jsonl", ".csv"])
def test_a_file_keeps_its_columns(student: Path, tmp_path: Path, given: str, written: str):
    rows, output = tmp_path / f"rows{given}", tmp_path / f"out{written}"
    if given == ".jsonl":
        write(rows, *ROWS)
    else:
        with rows.open("w", newline="") as file:
            table = csv.DictWriter(file, list(ROWS[0]))
            table.writeheader()
            table.writerows(ROWS)
    assert predict(student, "--file", rows, "-o", output).stdout.startswith("wrote 2 predictions")
    if written == ".csv":
        with output.open(newline="") as file:
            found: list[dict[str, Any]] = list(csv.DictReader(file))
    else:
        found = lines(output.read_text())
    labels = [label(student, f"{row['report']} (tier: {row['tier']})") for row in ROWS]
    assert all(0 < float(row.pop("confidence")) <= 1 for row in found)
    assert found == [
        {"id": r["id"], "report": r["report"], "tier": r["tier"], "input_label": r["label"]}
        | {"note": r["note"], "label": own}
        for r, own in zip(ROWS, labels, strict=True)
    ]


def test_lists_in_a_csv_are_json_that_can_be_read_again(tmp_path: Path):
    folder, output = save(tmp_path / "own", OWN), tmp_path / "out.csv"
    rows = write(tmp_path / "rows.jsonl", {"x": "A lamp", "among": ["red", "blue"]})
    predict(folder, "--file", rows, "-o", output)
    again = predict(folder, "--file", output).stdout
    assert lines(again)[0]["label"] == lines(predict(folder, "--file", rows).stdout)[0]["label"]


def test_a_row_of_fields_has_the_id_of_the_first_row_of_a_file_or_its_own(student: Path):
    given = ("--field", "report=x", "--field", "tier=1", "--json")
    assert json.loads(predict(student, *given).stdout)["id"] == "row 1"
    assert json.loads(predict(student, *given, "--field", "id=t7").stdout)["id"] == "t7"
    assert json.loads(predict(student, *given, "--field", "id=").stdout)["id"] == "row 1"


def test_json_is_one_value(student: Path, tmp_path: Path):
    one = json.loads(predict(student, "--field", "report=x", "--field", "tier=1", "--json").stdout)
    assert set(one) == {"id", "label", "confidence"}
    rows = write(tmp_path / "rows.jsonl", *ROWS)
    found = json.loads(predict(student, "--file", rows, "--json").stdout)
    assert found == lines(predict(student, "--file", rows).stdout)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "give one of: an input text, --field for each field, or --file"),
        (["text", "--file", "rows.jsonl"], "give one of"),
        (["text", "--field", "a=b"], "give one of"),
        (["--file", "rows.jsonl", "-o", "rows.jsonl"], "is the input file"),
        (["--file", "rows.jsonl", "-o", "out.txt"], "are written as .jsonl or .csv or .parquet"),
        (["--file", "rows.jsonl", "-o", "out.csv", "--json"], "give one of them"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], why: str
):
    monkeypatch.chdir(tmp_path)
    before = write(tmp_path / "rows.jsonl", *ROWS).read_bytes()
    result = predict("student", *arguments, fails=True)
    assert result.exit_code == 2
    assert why in " ".join(result.output.replace("│", " ").split())
    assert (tmp_path / "rows.jsonl").read_bytes() == before


def test_python_takes_texts_rows_of_fields_and_examples(student: Path):
    loaded = Student.load(student)
    text = "It broke (tier: gold)"
    fields = {"id": "r7", "report": "It broke", "tier": "gold", "label": "no such label"}
    found = loaded.predict([text, fields, Example("e", text)])
    assert [one.example_id for one in found] == ["row 1", "r7", "e"]
    assert len({one.label for one in found}) == 1
    with pytest.raises(DataError, match="row 2: the input template cannot be filled"):
        loaded.predict([text, {"report": "x"}])
    with pytest.raises(DataError, match="row 1: its text is empty"):
        loaded.predict([""])
    with pytest.raises(TypeError, match="takes a list of rows"):
        loaded.predict(text)


def test_a_prediction_loads_nothing_that_only_training_or_reports_need(student: Path):
    script = """
import gc, sys
from distilwhy.cli.app import app
app(["predict", sys.argv[1], "It broke. (tier: gold)"], standalone_mode=False)
heavy = ["scipy.stats", "datasets", "altair", "aiohttp", "pandas", "pyarrow", "distilwhy.report"]
print([m for m in heavy if m in sys.modules], gc.isenabled(), file=sys.stderr)
"""
    found = subprocess.run(
        [sys.executable, "-c", script, str(student)], capture_output=True, text=True, check=True
    )
    assert found.stderr.splitlines()[-1] == "[] True"
