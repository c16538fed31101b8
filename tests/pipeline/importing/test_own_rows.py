"""``init --from`` writes an experiment on a user's own file that can be planned at once."""

import csv
import io
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import yaml

from chat_logs import messages
from commands import call
from distilwhy.errors import ConfigError, DataError
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.importing.own_rows import init_from

MADE = list(dict(messages(60)).items())
HEADER = ["nr", "Customer message", "kind", "date"]
CELLS = [[str(i), f"{text} Schön, “so”; ja, {i}€.", kind, "2024-01-01"]
         for i, (text, kind) in enumerate(MADE)]  # fmt: skip


def table(separator: str = ",", cells: list[list[str]] = CELLS, header: list[str] = HEADER) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows([header, *cells])
    return out.getvalue()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_separators_and_encodings_are_found(tmp_path: Path, separator: str, encoding: str):
    (tmp_path / "rows.csv").write_bytes(table(separator).encode(encoding))
    found = init_from(tmp_path / "rows.csv", tmp_path / "mine")
    experiment = open_experiment(found.file)
    assert sum(found.rows.values()) == len(MADE)
    assert found.rows["test"] == pytest.approx(0.2 * len(MADE), abs=4)
    by_id = {row.id: row for row in experiment.splits.all()}
    assert (by_id["7"].text, by_id["7"].gold) == (CELLS[7][1], CELLS[7][2])
    assert set(experiment.task.answer.labels) == {"damage", "question", "praise"}
    assert found.found["input"] == "Customer message; not used: date"
    assert encoding.removesuffix("-sig") in found.found["read"]


def test_the_command_prints_what_it_found_and_the_plan_follows(tmp_path: Path):
    (tmp_path / "rows.tsv").write_text(table("\t"))
    shown = call("init", tmp_path / "mine", "--from", tmp_path / "rows.tsv").stdout
    assert f"read       {len(MADE)} rows in utf-8, separated by tabs" in shown
    assert "labels     kind, choice: " in shown
    plan = call("plan", tmp_path / "mine/experiment.yaml").stdout
    assert "finetune, label-distill, step-by-step" in plan


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.parquet"])
def test_other_formats_are_read(tmp_path: Path, name: str):
    rows = [{"message": text, "is_damage": kind == "damage"} for text, kind in MADE]
    if name.endswith("parquet"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / name)
    else:
        lines = "\n".join(map(json.dumps, rows))
        (tmp_path / name).write_text(json.dumps(rows) if name == "rows.json" else lines)
    experiment = open_experiment(init_from(tmp_path / name, tmp_path / "mine").file)
    assert set(experiment.task.answer.labels) == {"true", "false"}


@pytest.mark.parametrize("pair", [("No", "Yes"), ("off", "on"), ("null", "1e5"), ("0", "1")])
def test_labels_stay_text_in_yaml(tmp_path: Path, pair: tuple[str, str]):
    cells = [[str(i), text, pair[i % 2], ""] for i, (text, _) in enumerate(MADE)]
    (tmp_path / "rows.csv").write_text(table(cells=cells))
    experiment = open_experiment(init_from(tmp_path / "rows.csv", tmp_path / "mine").file)
    assert set(experiment.task.answer.labels) == set(pair)
    assert {row.gold for row in experiment.splits.train} == set(pair)


def test_spellings_of_a_label_are_one(tmp_path: Path):
    cells = [
        [str(i), text, " Damage" if i == 3 else kind, ""] for i, (text, kind) in enumerate(MADE)
    ]
    (tmp_path / "rows.csv").write_text(table(cells=cells))
    experiment = open_experiment(init_from(tmp_path / "rows.csv", tmp_path / "mine").file)
    assert len(experiment.task.answer.labels) == 3


def test_rows_without_labels_leave_finetune_out(tmp_path: Path):
    (tmp_path / "rows.csv").write_text(table(cells=[[*c[:2], "", c[3]] for c in CELLS]))
    found = init_from(tmp_path / "rows.csv", tmp_path / "mine", answer="damage,question,praise")
    experiment = open_experiment(found.file)
    assert experiment.config.methods == ["label-distill", "step-by-step"]
    assert experiment.task.answer.labels == ("damage", "question", "praise")
    assert list(found.rows) == ["train"]
    assert "there is no test split" in call("plan", found.file).stdout


def test_a_list_of_texts_needs_no_header(tmp_path: Path):
    (tmp_path / "rows.txt").write_text("\n".join(text for text, _ in MADE))
    found = init_from(tmp_path / "rows.txt", tmp_path / "mine")
    assert found.rows == {"train": len(MADE)}
    assert "`kind: text` takes any answer" in found.file.read_text()
    assert open_experiment(found.file).task.answer.kind == "text"


def test_a_part_of_the_labels_is_enough(tmp_path: Path):
    cells = [[*c[:2], c[2] if i % 3 else "", c[3]] for i, c in enumerate(CELLS)]
    (tmp_path / "rows.csv").write_text(table(cells=cells))
    experiment = open_experiment(init_from(tmp_path / "rows.csv", tmp_path / "mine").file)
    assert "finetune" in experiment.config.methods
    assert all(row.gold for row in experiment.splits.test)


def test_numbers_are_answers(tmp_path: Path):
    cells = [[f"{text} How many is {i} and 1 ?", str(i + 1)] for i, (text, _) in enumerate(MADE)]
    (tmp_path / "rows.csv").write_text(table(cells=cells, header=["question", "answer"]))
    experiment = open_experiment(init_from(tmp_path / "rows.csv", tmp_path / "mine").file)
    assert experiment.task.answer.kind == "number"


def test_two_texts_are_both_read(tmp_path: Path):
    rows = enumerate(MADE)
    cells = [[text, f"Is it {i} or not?", "yes" if i % 2 else "no"] for i, (text, _) in rows]
    (tmp_path / "rows.csv").write_text(table(cells=cells, header=["premise", "claim", "label"]))
    experiment = open_experiment(init_from(tmp_path / "rows.csv", tmp_path / "mine").file)
    text = experiment.splits.train[0].text
    assert text.startswith("premise: ")
    assert "\nclaim: Is it " in text


def test_several_columns_of_labels_are_asked_about(tmp_path: Path):
    cells = [[text, kind, "a" if i % 2 else "b"] for i, (text, kind) in enumerate(MADE)]
    (tmp_path / "rows.csv").write_text(table(cells=cells, header=["m", "kind", "category"]))
    with pytest.raises(ConfigError, match="columns kind, category may each hold the labels; name"):
        init_from(tmp_path / "rows.csv", tmp_path / "mine")
    asked = init_from(tmp_path / "rows.csv", tmp_path / "a", choose=lambda question, choices: 1)
    assert open_experiment(asked.file).task.answer.labels == ("b", "a")
    named = init_from(tmp_path / "rows.csv", tmp_path / "b", gold="kind")
    assert len(open_experiment(named.file).task.answer.labels) == 3
    with pytest.raises(ConfigError, match=r"--gold 'knid': there is no such column; did you mean"):
        init_from(tmp_path / "rows.csv", tmp_path / "c", gold="knid")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no rows; give it some"),
        ("a,b\n", "has no rows; give it some"),
        ("a,b\nx y z,1\n", "holds fewer than two rows with text"),
        ("a,b\nx,1\ny,2,3\n", "row 2: has 3 cells, and there are 2 columns"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(tmp_path: Path, content: str, message: str):
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        init_from(tmp_path / "rows.csv", tmp_path / "mine")
    with pytest.raises(DataError, match="cannot be read"):
        init_from(tmp_path / "none.csv", tmp_path / "mine")


def test_doubled_and_empty_names_of_columns_are_told_apart(tmp_path: Path):
    cells = [[str(i), text, "same words in all", kind] for i, (text, kind) in enumerate(MADE)]
    header = ["", "message text", "message text", "label"]
    (tmp_path / "rows.csv").write_text(table(cells=cells, header=header))
    file = init_from(tmp_path / "rows.csv", tmp_path / "mine").file
    assert yaml.safe_load(file.read_text())["task"]["input"] == (
        "message_text: {{ message_text }}\nmessage_text_2: {{ message_text_2 }}"
    )


def test_options_of_a_file_need_one(tmp_path: Path):
    shown = call("init", tmp_path / "mine", "--gold", "kind", fails=True)
    assert "--gold and --answer need --from" in shown.output
