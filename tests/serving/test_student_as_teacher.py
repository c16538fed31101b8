"""The student in its teacher's place: ``annotate``, ``curl`` and OpenAI's client ask it."""

import json
import shutil
import subprocess
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from distilwhy.cli.app import app
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.experiment import open_experiment
from server_process import Server
from tiny_students import scratch


@pytest.fixture
def student(opened):
    return scratch(replace(opened().task, exemplars=()))


@pytest.fixture
def server(student, tmp_path):
    student.save(tmp_path / "student")
    started = Server(tmp_path / "student")
    yield started
    started.stop()


@pytest.mark.parametrize(
    "changes",
    [
        {"teacher.structured": "auto"},
        {"teacher.structured": False},
        {"teacher.structured": False, "teacher.strategy": "zero-shot"},
    ],
)
def test_the_teachers_own_config_annotates_through_the_student(
    write_experiment, student, server, changes
):
    file = write_experiment({"teacher.base_url": f"{server.address}/v1", **changes})
    done = CliRunner().invoke(app, ["annotate", str(file), "--yes"])
    assert done.exit_code == 0, f"{done.output}{done.exception!r}"
    experiment = open_experiment(file)
    found = read_annotations(experiment)
    rows = list(experiment.to_annotate())
    assert len(found) == len(rows) > 8
    for row, own in zip(rows, student.predict(rows, explain=True), strict=True):
        assert (found[row.id].outcome, found[row.id].label) == ("ok", own.label)
    is_structured = changes["teacher.structured"] == "auto"
    kept = experiment.folder.form
    assert is_structured == (kept.exists() and "the endpoint supports it" in kept.read_text())


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_the_reply_whole_or_streamed(server, student):
    def curl(**body):
        asked = json.dumps({"messages": [{"role": "user", "content": "It broke."}], **body})
        kind = "Content-Type: application/json"
        address = f"{server.address}/v1/chat/completions"
        command = ["curl", "--silent", "--no-buffer", "--fail", address, "-H", kind, "-d", asked]
        return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode()

    whole = json.loads(curl(model="any"))["choices"][0]["message"]["content"]
    assert whole.endswith(f"So the answer is {student.predict(['It broke.'])[0].label}.")
    events = curl(stream=True).strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    deltas = [json.loads(one.removeprefix("data: "))["choices"][0]["delta"] for one in events[:-1]]
    assert "".join(delta.get("content", "") for delta in deltas) == whole
