"""The tutorial's commands and its notebook run, here with a tiny student and few steps."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands import call
from distilwhy.config.strict import overlay
from distilwhy.demo.scripted import ScriptedTeacher

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "tutorial.md").read_text(encoding="utf-8")
NOTEBOOK = DOCS / "tutorial.ipynb"
TINY = {"scratch": {"width": 16, "layers": 1, "heads": 2, "feedforward": 16, "vocabulary": 400}}
FEW = {"student": {**TINY, "max_rationale_tokens": 8}, "training": {"steps": 2}}
EXPERIMENT = Path("mytask/experiment.yaml")
TRAINING = "training=dw.TrainingConfig(steps=STEPS, lr=1e-3)"
TINY_TRAINING = f"student=dw.StudentConfig(**{FEW['student']}), training=dw.TrainingConfig(steps=2)"
PORT, TEACHER_PORT = ":8000", ":8399"


def blocks() -> list[tuple[str, str]]:
    """The blocks of code, in order, with their languages."""
    return re.findall(r"^```(python|yaml|bash)\n(.*?)^```", TEXT, re.M | re.S)


class Reader:
    """Does what the tutorial says, from top to bottom, in the working directory."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.teacher = stack.enter_context(ScriptedTeacher())
        self.address = ""
        self.answers: list[dict[str, Any]] = []
        self.done: list[str] = []

    def follow(self, language: str, text: str) -> None:
        if language == "python":
            exec(text, {})
        elif language == "yaml":
            self.edit(yaml.safe_load(text))
        else:
            for line in text.splitlines():
                self.enter(shlex.split(line))

    def edit(self, changes: dict[str, Any]) -> None:
        """Change keys as the tutorial says, and make the student tiny."""
        assert changes["teacher"]["base_url"].endswith(f"{TEACHER_PORT}/v1")
        # The teacher section is given whole; of the others only what changes.
        written = overlay(yaml.safe_load(EXPERIMENT.read_text()), changes)
        written["teacher"] = {**changes["teacher"], "base_url": self.teacher.base_url}
        EXPERIMENT.write_text(yaml.safe_dump(overlay(written, FEW)), encoding="utf-8")

    def enter(self, words: list[str]) -> None:
        name = words[1] if words[0] == "distilwhy" else words[0]
        self.done.append(name)
        if name == "python":
            assert words[1:] == ["-m", "distilwhy.demo.scripted", "--port", TEACHER_PORT[1:]]
        elif name == "curl":
            self.ask(words)
        elif name == "serve":
            self.serve(words[2:])
        else:
            call(*words[1:])

    def serve(self, arguments: list[str]) -> None:
        """Start the server on a free port."""
        # Two steps teach nothing that a cascade could rest on.
        arguments = [one for one in arguments if one != "--cascade"]
        command = [sys.executable, "-m", "distilwhy", "serve", *arguments, "--port", "0"]
        server = self.stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        )
        self.stack.callback(server.terminate)
        assert server.stdout is not None
        self.address = server.stdout.readline().strip()

    def ask(self, words: list[str]) -> None:
        port = ":" + self.address.rpartition(":")[2]
        printed = subprocess.run(
            [word.replace(PORT, port) for word in words], check=True, capture_output=True, text=True
        ).stdout
        self.answers += json.loads(printed)["predictions"]


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        yield Reader(stack)


def test_the_tutorial_s_commands_run_in_order(reader: Reader):
    for language, text in blocks():
        reader.follow(language, text)
    steps = "init python plan annotate annotations annotate run predict predict serve curl"
    assert reader.done == steps.split()
    assert Path("mytask/runs/experiment/report/report.html").is_file()
    assert len(Path("labelled.csv").read_text().splitlines()) == 928
    [answer] = reader.answers
    assert answer["label"] in {"Accounts", "Data Rescue", "Radio Desk", "Voice Desk"}
    assert isinstance(answer["rationale"], str)


def test_the_table_has_the_rows_that_the_tutorial_says(reader: Reader):
    reader.follow(*blocks()[0])
    [command] = blocks()[1][1].splitlines()
    printed = call(*shlex.split(command)[1:]).stdout
    shown = re.findall(r"^```text\n(read .*?)^next", TEXT, re.M | re.S)[0].splitlines()
    assert [line for line in shown if line not in printed.splitlines()] == []


def test_the_notebook_runs():
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    [settings] = [cell for cell in notebook.cells if TRAINING in cell.source]
    settings.source = settings.source.replace(TRAINING, TINY_TRAINING)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    answer = notebook.cells[-2].outputs[-1].data["text/plain"]
    assert "'source': 'student'" in answer


def test_the_notebook_is_saved_without_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 5
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"]] == []
