"""``compare --train`` runs the studies of several files, one after another."""

import json
from pathlib import Path

import pytest
import yaml

from commands import call
from studies import list_written, open_study


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three studies, two of which can be run: the second names a student that does not exist."""
    made = []
    for name in ("one", "missing", "two"):
        (tmp_path / name).mkdir()
        with open_study(tmp_path / name, methods=["finetune"]) as file:
            settings = yaml.safe_load(file.read_text())
        settings["teacher"]["annotate"] = []
        if name == "missing":
            settings["student"] = {"model": "./nowhere"}
        file.write_text(yaml.safe_dump(settings))
        made.append(file)
    return made


def test_compare_train_runs_every_study_and_goes_on_after_one_that_fails(files: list[Path]):
    said = call("compare", "--train", *files, fails=True)
    assert said.exit_code == 1
    assert "'./nowhere' is not a folder" in said.stderr
    assert f"Stopped by an error: {files[1]}. Run the same command again to go on." in said.stderr
    assert said.stdout.count("\nReport: ") == 2
    assert "Test accuracy of students" in said.stdout


def test_compare_train_does_not_train_again_and_prints_json_of_all(files: list[Path]):
    one, _, two = files
    call("compare", "--train", one, two)
    before = list_written(one)
    said = call("compare", "--train", one, two, "--json")
    assert list_written(one) == before
    assert [list(found["students"]) for found in json.loads(said.stdout)] == [["finetune"]] * 2


def test_the_log_of_a_study_says_what_is_left(files: list[Path]):
    settings = yaml.safe_load(files[0].read_text()) | {"seeds": [0, 1]}
    files[0].write_text(yaml.safe_dump(settings))
    said = call("compare", files[0]).stderr
    assert "  1 still to train: about " in said
