"""Exporting a student: the gate, the folder that is written, and what uses it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from fastapi.testclient import TestClient
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from commands import call
from distilwhy.cli.app import app
from distilwhy.core.student_id import StudentId
from distilwhy.errors import ConfigError, RunError, StudentError
from distilwhy.pipeline.deploy.export import run
from distilwhy.pipeline.deploy.export.parity import Difference
from distilwhy.pipeline.deploy.export.run import export
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.serving.app import create_app
from distilwhy.serving.settings import ServerSettings
from distilwhy.students.student import Student
from exports import ROWS, export_to, save, vary
from studies import open_study
from tiny_students import CHOICE, scratch


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The experiment file of a student that was evaluated."""
    with open_study(tmp_path_factory.mktemp("study"), methods=["step-by-step"]) as written:
        call("run", written)
        return written


@pytest.fixture
def folder(file: Path, tmp_path: Path) -> Path:
    """The student's folder, in a copy of the study."""
    study = shutil.copytree(file.parent, tmp_path / "study")
    return study / "run/students" / StudentId("step-by-step", 0).name


# --- the gate


def perturb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every export in the format hf write other weights than the student's."""
    honest = run.FORMATS["hf"]

    def write(student: Student, source: Path, target: Path, quantize: str | None) -> None:
        honest.write(student, source, target, quantize)
        file = target / "model.safetensors"
        weights = {name: -weight for name, weight in load_file(file).items()}
        save_file(weights, file, {"format": "pt"})

    monkeypatch.setitem(run.FORMATS, "hf", replace(honest, write=write))


def test_an_export_with_other_labels_fails_names_rows_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    student = vary(scratch())
    source = save(student, tmp_path)
    perturb(monkeypatch)
    with pytest.raises(RunError, match=r"not exported: \d+ of 20 rows get another label") as caught:
        export(source, tmp_path / "there/export", "hf", rows=tmp_path / "rows.jsonl")
    named = [row for row in ROWS if f"{row['id']!r} (" in str(caught.value)]
    assert len(named) == 5
    for row, one in zip(named, student.predict(named), strict=True):
        assert f"{row['id']!r} ({one.label!r}, not '" in str(caught.value)
    assert list((tmp_path / "there").iterdir()) == []


def test_an_export_whose_confidences_mean_something_else_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source = save(scratch(), tmp_path)
    compare = run.compare
    monkeypatch.setattr(
        run, "compare", lambda *given: replace(compare(*given), confidence_gap=0.02)
    )
    with pytest.raises(RunError, match=r"confidences differ by up to 0\.02 from the student's"):
        export(source, tmp_path / "export", "hf", rows=tmp_path / "rows.jsonl")
    assert not (tmp_path / "export").exists()
    export(source, tmp_path / "export", "hf", rows=tmp_path / "rows.jsonl", quantize="bfloat16")


def test_one_row_in_two_hundred_may_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = save(scratch(), tmp_path)
    compare, counts = run.compare, [1, 2]

    def differ(*given):
        different = [Difference(f"r{n}", "a", "b") for n in range(counts.pop(0))]
        return replace(compare(*given), rows=200, differences=different)

    monkeypatch.setattr(run, "compare", differ)
    export(source, tmp_path / "one", "hf", rows=tmp_path / "rows.jsonl")
    with pytest.raises(RunError, match="2 of 200 rows"):
        export(source, tmp_path / "two", "hf", rows=tmp_path / "rows.jsonl")


def test_an_export_that_is_stopped_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "compare", stop)
    source = save(scratch(), tmp_path)
    before = sorted(tmp_path.iterdir())
    arguments = ("export", source, tmp_path / "export", "--format", "hf")
    assert invoke(*arguments, "--rows", tmp_path / "rows.jsonl").exit_code == 130
    assert sorted(tmp_path.iterdir()) == before


# --- the folder


@pytest.mark.parametrize("name", ["hf", "ctranslate2"])
def test_the_validation_rows_of_the_students_experiment_are_compared(
    name: str, folder: Path, tmp_path: Path
):
    said = invoke("export", folder, tmp_path / "export", "--format", name)
    assert said.exit_code == 0, said.output
    report = json.loads((tmp_path / "export/export.json").read_text())
    rows = open_experiment(folder.parents[2] / "experiment.yaml").splits.validation
    assert (report["format"], report["rows"], report["agreement"]) == (name, len(rows), 1.0)
    assert report["differences"] == []
    assert min(report["size"], report["student_size"]) > 1000
    assert min(report["export_speed"], report["student_speed"]) > 0
    lines = said.stdout.splitlines()
    assert lines[0] == str(tmp_path / "export")
    assert f"Labels: those of the student on 100.0% of {len(rows)} rows" in said.stdout


@pytest.mark.parametrize("name", ["hf", "ctranslate2"])
def test_calibration_and_cascade_travel_with_it(name: str, folder: Path, tmp_path: Path):
    export(folder, tmp_path / "export", name)
    student, exported = Student.load(folder), Student.load(tmp_path / "export")
    assert exported.deployment == student.deployment
    assert exported.deployment is not None
    rows = ["It broke.", "The invoice is wrong."]
    found, wanted = exported.predict(rows), student.predict(rows)
    assert [(one.label, one.alone) for one in found] == [(one.label, one.alone) for one in wanted]
    assert [one.confidence for one in found] == pytest.approx(
        [one.confidence for one in wanted], abs=1e-5
    )


def test_the_card_says_what_the_run_knows_and_how_the_export_compares(folder: Path, tmp_path: Path):
    export(folder, tmp_path / "export", "ctranslate2", quantize="int8")
    card = ModelCard.load(tmp_path / "export/README.md")
    assert card.data.library_name == "ctranslate2"
    assert "## Export" in card.text
    assert "- Format: ctranslate2, int8, run by ctranslate2 " in card.text
    assert "- Labels: those of the student on 100.0% of 12 rows" in card.text
    assert "## When to trust it" in card.text
    assert "import ctranslate2" in card.text


def test_an_export_keeps_its_card_and_gets_a_licence(folder: Path, tmp_path: Path):
    export(folder, tmp_path / "export", "hf")
    before = ModelCard.load(tmp_path / "export/README.md")
    assert invoke("card", tmp_path / "export").exit_code == 0
    assert ModelCard.load(tmp_path / "export/README.md").data.license is None
    assert invoke("card", tmp_path / "export", "--license", "mit").exit_code == 0
    card = ModelCard.load(tmp_path / "export/README.md")
    assert card.data.license == "mit"
    assert card.text == before.text


def test_hf_leaves_out_the_files_of_training_and_narrows_weights(folder: Path, tmp_path: Path):
    export(folder, tmp_path / "export", "hf", quantize="bfloat16")
    names = {path.name for path in (tmp_path / "export").iterdir()}
    assert {"training.json", "training.jsonl"} & names == set()
    weights = load_file(tmp_path / "export/model.safetensors")
    assert {str(weight.dtype) for weight in weights.values()} == {"torch.bfloat16"}
    sizes = [(f / "model.safetensors").stat().st_size for f in (tmp_path / "export", folder)]
    assert sizes[0] < 0.6 * sizes[1]


def test_a_student_outside_its_run_needs_rows(folder: Path, tmp_path: Path):
    moved = shutil.copytree(folder, tmp_path / "moved" / "student")
    with pytest.raises(RunError, match=r"in no run folder of an experiment .*; give --rows FILE"):
        export(moved, tmp_path / "export", "hf")
    rows = folder.parents[2] / "validation.jsonl"
    export(moved, tmp_path / "export", "hf", rows=rows)
    assert json.loads((tmp_path / "export/export.json").read_text())["rows"] == 12
    assert "## Export" in (tmp_path / "export/README.md").read_text()


def test_a_run_that_names_its_folder_by_default_is_found(file: Path, tmp_path: Path):
    study = shutil.copytree(file.parent, tmp_path / "study")
    own = study / "experiment.yaml"
    text = own.read_text()
    own.unlink()
    (study / "first.yaml").write_text(text.replace("out: run\n", ""))
    (study / "runs").mkdir()
    (study / "run").rename(study / "runs/first")
    open_experiment(study / "first.yaml").write_resolved()
    export(study / "runs/first/students/step-by-step-seed0", tmp_path / "export", "hf")


# --- what uses it


def test_the_shell_predicts_with_an_export_as_with_the_student(folder: Path, tmp_path: Path):
    assert invoke("export", folder, tmp_path / "export", "--format", "ctranslate2").exit_code == 0
    file = folder.parents[2] / "test.jsonl"
    student, exported = (
        json.loads(invoke("predict", place, "--file", file, "--json").stdout)
        for place in (folder, tmp_path / "export")
    )
    assert len(student) == 12
    assert [row["label"] for row in exported] == [row["label"] for row in student]


def test_an_export_is_served(tmp_path: Path):
    student = vary(scratch(CHOICE))
    folder = export_to("ctranslate2", student, tmp_path)
    with TestClient(create_app(Student.load(folder), ServerSettings())) as client:
        found = client.post("/predict", json={"rows": list(ROWS)}).json()["predictions"]
    assert [one["label"] for one in found] == [one.label for one in student.predict(ROWS)]


# --- what is refused


def test_a_folder_that_exists_is_not_written_over(tmp_path: Path):
    source = save(scratch(), tmp_path)
    (tmp_path / "mine").mkdir()
    with pytest.raises(RunError, match="mine: already exists; name a new folder"):
        export(source, tmp_path / "mine", "hf", rows=tmp_path / "rows.jsonl")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("onxx", None), r"--format: unknown format 'onxx'; did you mean 'onnx'"),
        (("gguf", None), r"gguf is not offered: .*; use --format ctranslate2"),
        (("hf", "int8"), r"--quantize int8: hf offers float16 and bfloat16; choose one"),
        (("onnx", "float16"), r"--quantize float16: onnx offers int8; choose one"),
    ],
)
def test_a_format_or_precision_that_is_not_offered_is_refused_first(
    given: tuple[str, str | None], message: str, tmp_path: Path
):
    with pytest.raises(ConfigError, match=message):
        export(tmp_path / "no-student", tmp_path / "export", given[0], quantize=(given[1:] and
               given[1]) or None)  # fmt: skip


def test_a_missing_package_is_named_with_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs ctranslate2; pip install 'distilwhy\[export\]'"):
        export(tmp_path, tmp_path / "export", "ctranslate2")


def test_an_export_is_not_exported_again(tmp_path: Path):
    folder = export_to("ctranslate2", vary(scratch()), tmp_path)
    with pytest.raises(StudentError, match="is an export already; export the student it came from"):
        export(folder, tmp_path / "again", "hf", rows=tmp_path / "rows.jsonl")


def test_an_export_whose_files_are_broken_says_what_to_do(tmp_path: Path):
    folder = export_to("ctranslate2", vary(scratch()), tmp_path)
    (folder / "ctranslate2/model.bin").unlink()
    with pytest.raises(StudentError, match=r"export: cannot be loaded \(.*\); export the student"):
        Student.load(folder)
    card = json.loads((folder / "distilwhy.json").read_text())
    (folder / "distilwhy.json").write_text(json.dumps({**card, "runtime": "abacus"}))
    with pytest.raises(StudentError, match="exported to 'abacus', which this version does not"):
        Student.load(folder)
