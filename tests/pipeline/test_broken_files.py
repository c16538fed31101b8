"""Files of a run folder that are cut short, of another kind or gone: one line, or made again."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import vl_convert

from commands import call
from distilwhy.core.student_id import StudentId
from distilwhy.errors import DistilwhyError
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.status import status
from distilwhy.store.files import publish_json, publish_text, read_json
from distilwhy.store.run_folder import SUMMARY
from studies import open_study

WEIGHTS = "model.safetensors"
STUDENT = "run/students/finetune-seed0"
# What reads each. They can be made again; what was paid for is in the ledger, which has its tests.
READERS = {
    "results.json": ("status", "report"),
    "measured.json": ("report",),
    "cases.jsonl": ("report",),
    "calls.npz": ("plan",),
    "experiment.yaml": ("plan",),
    "predictions/finetune-seed0.json": ("evaluate",),
    "students/finetune-seed0/training.json": ("status",),
    "students/finetune-seed0/training.jsonl": ("status",),
    "students/finetune-seed0/distilwhy.json": ("predict",),
    "students/finetune-seed0/config.json": ("predict",),
    "students/finetune-seed0/tokenizer.json": ("predict",),
    "students/finetune-seed0/model.safetensors": ("predict", "status"),
}
DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "binary": lambda content: b"\xff\xfe\x00\x80" * 30,
    "a list": lambda content: b"[1, 2]\n",
    "a number": lambda content: b"1\n",
    "nested": lambda content: b"[" * 100_000,
    "an object of something else": lambda content: b'{"a": []}\n',
    "absent": lambda content: None,
}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that is done: its experiment file."""
    with open_study(tmp_path_factory.mktemp("done"), methods=["finetune", "step-by-step"]) as file:
        call("run", file, "--yes")
    return file


@pytest.fixture
def study(evaluated: Path, tmp_path: Path) -> Path:
    shutil.copytree(evaluated.parent, tmp_path / "copy")
    return tmp_path / "copy" / evaluated.name


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts take most of the time of a report, and are drawn in its own tests."""
    monkeypatch.setattr(vl_convert, "vegalite_to_svg", lambda chart: "<svg></svg>")
    monkeypatch.setattr(vl_convert, "vegalite_to_png", lambda chart, scale: b"")


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", READERS)
def test_a_broken_file_is_one_line_or_is_made_again(study: Path, name: str):
    path = study.parent / "run" / name
    whole = path.read_bytes()
    commands = {
        "plan": (study,),
        "status": (study,),
        "report": (study.parent / "run",),
        "predict": (study.parent / STUDENT, "A text."),
        "evaluate": (study,),
    }
    for damage in DAMAGES.values():
        path.unlink(missing_ok=True)
        if (content := damage(whole)) is not None:
            path.write_bytes(content)
        for reader in READERS[name]:
            found = call(reader, *commands[reader], fails=True)
            if found.exit_code:
                assert isinstance(found.exception, DistilwhyError), found.exception
                assert "\n" not in str(found.exception)


@pytest.mark.parametrize("damage", ["truncated", "empty", "absent"])
def test_a_student_without_whole_weights_is_not_trained(study: Path, damage: str):
    path = study.parent / STUDENT / "model.safetensors"
    content = DAMAGES[damage](path.read_bytes())
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    found = {s.method: s.state for s in status(open_experiment(study)).students}
    assert found == {"finetune": "not trained", "step-by-step": "trained"}
    call("train", study)
    found = {s.method: s.state for s in status(open_experiment(study)).students}
    assert found == {"finetune": "trained", "step-by-step": "trained"}


def test_a_training_with_a_broken_checkpoint_begins_again(study: Path):
    folder = open_experiment(study).folder
    student = folder.student(StudentId("finetune", 0))
    summary, before = read_json(student / SUMMARY) or {}, (student / WEIGHTS).read_bytes()
    unfinished = folder.unfinished(StudentId("finetune", 0))
    publish_json(unfinished / SUMMARY, {"fingerprint": summary["fingerprint"]})
    publish_text(unfinished / f"checkpoint-lr-{summary['lr']}/state/random_states_0.pkl", "half")
    shutil.rmtree(student)
    said = call("train", study).stderr
    assert "finetune seed 0: training starts again" in said
    assert (student / WEIGHTS).read_bytes() == before


def test_all_files_of_a_run_folder_follow_the_umask(study: Path):
    files = {f for f in (study.parent / "run").rglob("*") if f.is_file()}
    modes = {f.name: f.stat().st_mode & 0o777 for f in files if f.name != ".lock"}
    expected = (study.parent / "run/results.json").stat().st_mode & 0o777
    assert set(modes.values()) == {expected}
    assert expected & 0o044 == 0o044


@pytest.mark.parametrize("place", ["folder.jsonl", "file/x.jsonl"])
def test_a_place_that_cannot_be_written_is_named_before_the_work(
    study: Path, place: str, monkeypatch: pytest.MonkeyPatch
):
    (study.parent / "folder.jsonl").mkdir()
    (study.parent / "file").write_text("in the way")
    monkeypatch.setattr("distilwhy.students.student.Student.load", None)
    rows, target = study.parent / "test.jsonl", study.parent / place
    for arguments in (
        ("predict", study.parent / STUDENT, "--file", rows, "-o", target),
        ("annotations", study, "--export", target),
    ):
        found = call(*arguments, fails=True)
        assert isinstance(found.exception, DistilwhyError)
        assert place.partition("/")[0] in str(found.exception)


@pytest.mark.parametrize(
    "name", ["results.json", "cases.jsonl", "form.json", "calls.npz", "report", "logs"]
)
@pytest.mark.parametrize("has_students", [False, True])
def test_out_never_names_a_folder_with_files_of_ones_own(
    study: Path, name: str, has_students: bool
):
    own = study.parent / "own"
    (own / "students" if has_students else own).mkdir(parents=True)
    (own / name).write_text("{}")
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace("out: run", "out: own"), encoding="utf-8")
    found = call("plan", study, fails=True)
    assert f"own already holds files that a run would overwrite ({name})" in str(found.exception)
    assert (own / name).read_text() == "{}"


def test_an_empty_folder_that_was_planned_in_can_be_used(study: Path):
    (study.parent / "own").mkdir()
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace("out: run", "out: own"), encoding="utf-8")
    for _ in range(2):
        call("plan", study)


def test_an_experiment_file_is_never_overwritten(study: Path):
    file = study.with_name("experiment.yaml")
    text = "# mine\n" + study.read_text(encoding="utf-8").replace("out: run", "out: .")
    file.write_text(text, encoding="utf-8")
    found = call("annotate", file, fails=True)
    assert "experiment.yaml" in str(found.exception)
    assert file.read_text(encoding="utf-8") == text
