"""Logs become experiments that run."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from chat_logs import chat, entry, messages, reply, write_log
from commands import call
from distilwhy.cli.app import app
from distilwhy.cli.commands import start
from distilwhy.errors import ConfigError, DataError
from distilwhy.pipeline.annotate.annotations import read_annotations, read_outcomes
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.pipeline.importing.logs import import_log
from distilwhy.pipeline.importing.mask import Masker
from distilwhy.pipeline.near_duplicates import find_near_duplicates
from distilwhy.pipeline.run import run

DOCS = Path(__file__).parents[3] / "docs"
MADE = messages(120)
KINDS = dict(MADE)
TINY = {"scratch": {"width": 16, "layers": 1, "heads": 2, "feedforward": 16, "vocabulary": 400}}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "chats.jsonl", [entry(i, *made) for i, made in enumerate(MADE)])


def lines(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def opened(file: Path) -> Experiment:
    experiment = open_experiment(file)
    annotate(experiment)
    return experiment


def test_the_command_of_the_docs_imports_a_thousand_chats(tmp_path, monkeypatch):
    """Masked, without repeated requests, and with near-duplicates on one side of the split."""
    monkeypatch.chdir(tmp_path)
    made = messages(1000)
    write_log(tmp_path / "chats.jsonl", [entry(i, *one) for i, one in enumerate(made)])
    [block] = re.findall(r"```bash\n(.*?)```", (DOCS / "importing.md").read_text(), re.S)
    shown = [call(*shlex.split(line)[1:]).stdout for line in block.splitlines()]
    assert len(shown) == 2
    train, test = lines(Path("mytask/train.jsonl")), lines(Path("mytask/test.jsonl"))
    repeated = len(made) - len({Masker().mask(message) for message, _ in made})
    assert f"left out   requests that repeat an earlier one: {repeated}" in shown[0]
    assert len(train) + len(test) == 1000 - repeated
    assert f"test       {len(test):,} rows" in shown[0]
    assert len(test) == pytest.approx(0.2 * (1000 - repeated), abs=5)
    assert "near-duplicates  " in shown[0]
    assert find_near_duplicates([r["text"] for r in test], [r["text"] for r in train]) == []
    stored = "".join(file.read_text() for file in Path("mytask").iterdir())
    assert stored.count("[EMAIL]") > 20
    assert not re.search(r"@example|7700|4111", stored)
    assert re.search(r"masked     \d+ \[\w+\], \d+ \[\w+\], \d+ \[\w+\]\n", shown[0])
    count = f"{len(train):,}"
    assert f"{count} of {count} rows have a recorded completion" in shown[1]
    assert "label-distill, step-by-step" in shown[1]
    assert "near-duplicates of train rows in test" not in shown[1]
    assert re.search(r"warning: \d+ near-duplicates within train", shown[1])


def test_a_student_is_trained_on_an_imported_log(log: Path, tmp_path: Path):
    file = import_log(log, tmp_path / "mine").file
    settings = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**settings, "student": TINY, "training": {"steps": 2}}))
    results = run(open_experiment(file))
    assert results is not None
    assert set(read_outcomes(open_experiment(file))) == {"train", "validation"}


def test_rows_labels_and_reasons_are_those_of_the_log(log: Path, tmp_path: Path):
    found = import_log(log, tmp_path / "mine")
    experiment = opened(found.file)
    assert set(experiment.task.answer.labels) == {"damage", "question", "praise"}
    assert "You sort the messages" in experiment.task.instruction
    for example in experiment.splits.train:
        said = read_annotations(experiment)[example.id]
        assert said.label == KINDS[example.text]
        assert said.rationale in reply(KINDS[example.text])
        break
    assert all(example.gold == KINDS[example.text] for example in experiment.splits.test)
    assert "gpt-4o-mini-2024-07-18" in found.file.read_text()
    assert "The log has no gold labels" in found.file.read_text()


def test_gold_labels_of_the_log_are_used(tmp_path: Path):
    made = [
        {**entry(i, *m), "review": {"kind": m[1] if i else "other"}} for i, m in enumerate(MADE)
    ]
    found = import_log(write_log(tmp_path / "l.jsonl", made), tmp_path / "mine", gold="review.kind")
    experiment = opened(found.file)
    assert "other" in experiment.task.answer.labels
    assert experiment.config.methods == ["finetune", "label-distill", "step-by-step"]
    assert read_outcomes(experiment)["test"].score is not None
    assert "no gold labels" not in found.file.read_text()


def test_a_gold_field_that_no_line_has_is_named(log: Path, tmp_path: Path):
    with pytest.raises(DataError, match=r"--gold 'reqest': no line .*; did you mean 'request'\?"):
        import_log(log, tmp_path / "mine", gold="reqest")


def test_replies_that_are_not_parsed_as_they_are_become_labels_with_reasons(tmp_path: Path):
    made = [
        {"messages": [*chat(m, k), {"role": "assistant", "content": f"Kind: {k}\nWhy: It is."}]}
        for m, k in MADE
    ]
    found = import_log(write_log(tmp_path / "tuning.jsonl", made), tmp_path / "mine")
    experiment = opened(found.file)
    first = experiment.splits.train[0]
    said = read_annotations(experiment)[first.id]
    assert (said.outcome, said.label, said.rationale) == ("ok", KINDS[first.text], "It is.")
    assert first.id.startswith("tuning-")
    assert "the log does not name it" in found.file.read_text()


def test_bare_labels_leave_step_by_step_out(tmp_path: Path):
    made = [{"messages": chat(m, k), "response": k} for m, k in MADE]
    found = import_log(write_log(tmp_path / "l.jsonl", made), tmp_path / "mine")
    assert open_experiment(found.file).config.methods == ["label-distill"]
    assert found.found["answers"].endswith("; without reasons")


def test_several_choices_are_samples(tmp_path: Path):
    made = [entry(i, *one) for i, one in enumerate(MADE)]
    for line in made:
        line["response"]["choices"] *= 2
    found = import_log(write_log(tmp_path / "l.jsonl", made), tmp_path / "mine")
    experiment = opened(found.file)
    assert experiment.config.teacher.samples == 2
    assert read_annotations(experiment)[experiment.splits.train[0].id].votes


def test_named_fields_of_a_template_are_fields_of_the_rows(log: Path, tmp_path: Path):
    file = import_log(log, tmp_path / "mine", row="Message: {message}\nKind:").file
    assert "message" in lines(tmp_path / "mine/train.jsonl")[0]
    assert opened(file).splits.train[0].text in KINDS


def test_ids_are_unique_and_hold_no_personal_data(tmp_path: Path):
    made = [{**entry(i, *one), "id": "jo@b.org" if i % 2 else "same"} for i, one in enumerate(MADE)]
    import_log(write_log(tmp_path / "l.jsonl", made), tmp_path / "mine", mask=True)
    ids = [row["id"] for row in lines(tmp_path / "mine/completions.jsonl")]
    assert len(set(ids)) == len(ids)
    assert not any("@" in name for name in ids)


def test_a_log_of_near_duplicates_alone_has_no_test(tmp_path: Path):
    text = "The swing near the old rose garden at Elm Street has a long crack since the {}."
    words = ["storm", "fair", "spring", "summer", "concert", "holidays"]
    made = [entry(i, text.format(word), "damage") for i, word in enumerate(words * 2)]
    for line in made[::2]:
        line["response"]["choices"][0]["message"]["content"] = reply("praise")
    found = import_log(write_log(tmp_path / "l.jsonl", made), tmp_path / "mine")
    assert found.rows == {"train": 6}
    assert open_experiment(found.file).splits.test == ()


def test_the_user_is_asked_what_a_row_is(tmp_path: Path, monkeypatch):
    made = [entry(i, *one) for i, one in enumerate(MADE)]
    for number, line in enumerate(made):
        line["request"]["messages"][0]["content"] += f" It is day {number}."
    path = write_log(tmp_path / "l.jsonl", made)
    with pytest.raises(ConfigError, match="give --row last or --row all"):
        import_log(path, tmp_path / "mine")
    monkeypatch.setattr("distilwhy.cli.commands.start._chooser", lambda: start._choose)
    shown = CliRunner().invoke(app, ["import", str(path), str(tmp_path / "mine")], input="7\n1\n")
    assert "2  all turns that vary: 'You sort the messages" in shown.output
    assert lines(tmp_path / "mine/train.jsonl")[0]["text"].startswith("Give a reason")


def test_options_of_logs_are_refused_for_the_papers_data(tmp_path: Path):
    (tmp_path / "cqa_train.json").write_text("[]")
    shown = call("import", tmp_path, tmp_path / "mine", "--mask", fails=True)
    assert "--mask are for logs" in shown.output


def test_nothing_is_written_over_and_one_row_is_too_few(log: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="is not empty"):
        import_log(log, tmp_path)
    with pytest.raises(DataError, match="fewer than two different rows"):
        import_log(write_log(tmp_path / "l.jsonl", [entry(0, *MADE[0])] * 3), tmp_path / "mine")
