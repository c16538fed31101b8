"""Model cards, and students on the hub."""

import base64
import json
import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import Result
from huggingface_hub import ModelCard, constants
from transformers import pipeline
from typer.testing import CliRunner

from commands import call
from distilwhy.cli.app import app
from distilwhy.core.student_id import StudentId
from distilwhy.errors import RunError, StudentError
from distilwhy.pipeline.deploy.card import write_card
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.students.student import Student
from studies import STUDENT, open_study


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The experiment file of an encoder student that was evaluated."""
    student = {**STUDENT, "family": "encoder"}
    folder = tmp_path_factory.mktemp("card")
    with open_study(folder, student=student, methods=["finetune", "step-by-step"]) as written:
        call("run", written)
        return written


@pytest.fixture
def folder(file: Path, tmp_path: Path) -> Path:
    """The student's folder, in a copy of the run."""
    run = shutil.copytree(file.parent / "run", tmp_path / "run")
    return run / "students" / StudentId("step-by-step", 0).name


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_the_card_has_front_matter_that_the_hub_reads(folder: Path):
    said = invoke("card", folder, "--license", "mit")
    assert said.stdout.strip() == str(folder / "README.md")
    data = ModelCard.load(folder / "README.md").data
    assert (data.license, data.library_name) == ("mit", "transformers")
    assert data.pipeline_tag == "text-classification"
    assert data.tags == ["distilwhy", "distillation", "step-by-step"]
    assert data.base_model is None
    results = json.loads((folder.parents[1] / "results.json").read_text())
    [own] = [m for m in results["methods"] if m["method"] == "step-by-step"]
    [score] = data.eval_results
    assert score.metric_value == round(own["score"]["accuracy"], 4)


def test_the_card_says_what_the_run_knows(folder: Path):
    text = write_card(folder).read_text()
    results = json.loads((folder.parents[1] / "results.json").read_text())
    measured = json.loads((folder.parents[1] / "measured.json").read_text())
    for value in measured["how"]["hashes"].values():
        assert value in text
    assert "Teacher: scripted-teacher (chat)" in text
    assert "SHA-256 of the prompt of the first row: `" in text
    [sentence] = [d["sentence"] for d in results["deployments"] if d["method"] == "step-by-step"]
    assert sentence in text
    assert "Expected calibration error of step-by-step on test: " in text
    assert "no licence is named yet" in text
    assert "terms of the teacher's provider" in text
    assert "127.0.0.1" not in text, "the teacher's address is nobody's business"


def test_a_student_without_a_teacher_needs_no_terms(folder: Path):
    text = write_card(folder.with_name("finetune-seed0")).read_text()
    assert "Teacher:" not in text
    assert "terms of the teacher's provider" not in text


def test_the_card_can_be_written_again(folder: Path):
    first = write_card(folder, "mit").read_text()
    assert write_card(folder, "mit").read_text() == first
    assert Student.load(folder).readme in first


def test_transformers_pipeline_runs_it_as_the_card_says(file: Path, folder: Path):
    text = write_card(folder).read_text()
    assert 'pipeline("text-classification", model=".")' in text
    examples = open_experiment(file).splits.test
    classify = pipeline("text-classification", model=str(folder))
    found = classify([example.text for example in examples], truncation=True, max_length=512)
    assert [one["label"] for one in found] == [
        p.label for p in Student.load(folder).predict(examples)
    ]


def test_a_folder_outside_a_run_is_refused(folder: Path, tmp_path: Path):
    alone = shutil.copytree(folder, tmp_path / "elsewhere" / "students" / folder.name)
    with pytest.raises(RunError, match="holds no results; run 'evaluate' first"):
        write_card(alone)
    with pytest.raises(StudentError, match="holds no student"):
        write_card(tmp_path)


def test_a_student_that_the_results_do_not_know_is_refused(folder: Path):
    other = folder.with_name("step-by-step-seed7")
    shutil.copytree(folder, other)
    with pytest.raises(
        RunError, match=r"seed7: the results in .* are not about it; run 'evaluate'"
    ):
        write_card(other)


# --- push


class Hub(ThreadingHTTPServer):
    """A stand-in for the hub: it takes repositories and commits of files sent inline."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.made: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.tokens: set[str] = set()
        self.refuses = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tokens.add(self.headers["Authorization"])
        name = "/api/models/me/mine"
        if self.server.refuses:
            self.answer({"error": "Invalid token"}, 401)
        elif self.path == "/api/repos/create":
            self.server.made.append(json.loads(body))
            self.answer({"url": f"{self.server.url}/me/mine"})
        elif self.path == "/api/validate-yaml":
            self.answer({"warnings": [], "errors": []})
        elif self.path == f"{name}/preupload/main":
            files = [one["path"] for one in json.loads(body)["files"]]
            mode = {"uploadMode": "regular", "shouldIgnore": False}
            self.answer({"files": [{"path": path, **mode} for path in files]})
        elif self.path.startswith(f"{name}/commit/main"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.server.files[line["value"]["path"]] = content
            self.answer({"commitUrl": f"{self.server.url}/me/mine/commit/1", "commitOid": "1"})
        else:
            self.answer({"error": f"no such route: {self.path}"}, 404)

    def do_GET(self) -> None:
        self.answer({"error": "Invalid token"} if self.server.refuses else {}, 401)

    def answer(self, value: object, status: int = 200) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
        yield server
        server.shutdown()


def test_a_student_is_pushed_whole_with_its_card(folder: Path, hub: Hub, tmp_path: Path):
    said = invoke("push", folder, "me/mine", "--license", "mit")
    assert (said.exit_code, said.stdout.strip()) == (0, f"{hub.url}/me/mine"), said.output
    assert hub.made[0]["name"] == "mine"
    assert hub.made[0].get("private") is True or hub.made[0].get("visibility") == "private"
    assert hub.tokens == {"Bearer hf_of_a_test"}
    assert "training.jsonl" not in hub.files
    for name, content in hub.files.items():
        (tmp_path / "pulled").mkdir(exist_ok=True)
        (tmp_path / "pulled" / name).write_bytes(content)
    assert "license: mit" in (tmp_path / "pulled/README.md").read_text()
    own, pulled = (Student.load(place) for place in (folder, tmp_path / "pulled"))
    rows = ["It broke.", "The invoice is wrong."]
    assert pulled.predict(rows) == own.predict(rows)
    assert pulled.deployment == own.deployment
    assert pulled.deployment is not None


def test_a_repository_is_public_only_if_asked(folder: Path, hub: Hub):
    assert invoke("push", folder, "me/mine", "--public").exit_code == 0
    assert hub.made[0].get("private") in (None, False)
    assert hub.made[0].get("visibility") in (None, "public")


def test_a_refusal_says_how_to_log_in(folder: Path, hub: Hub):
    hub.refuses = True
    said = invoke("push", folder, "me/mine")
    assert isinstance(said.exception, RunError)
    assert str(said.exception).startswith(f"me/mine: the hub at {hub.url} did not take it (")
    assert "log in with 'hf auth login' or set HF_TOKEN" in str(said.exception)
    assert "\n" not in str(said.exception)


def test_a_name_that_the_hub_does_not_take_is_refused(folder: Path, hub: Hub):
    said = invoke("push", folder, "me/mine/too")
    assert isinstance(said.exception, RunError)
    assert "me/mine/too: the hub at " in str(said.exception)
    assert "check the name" in str(said.exception)
    assert hub.made == []


def test_a_hub_that_cannot_be_reached_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    said = invoke("push", folder, "me/mine")
    assert isinstance(said.exception, RunError)
    assert "the hub at http://127.0.0.1:9 did not take it" in str(said.exception)
