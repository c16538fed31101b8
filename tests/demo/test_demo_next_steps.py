"""The commands that the demo prints last run as they are printed."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from commands import call
from distilwhy.cli.views import next_steps
from distilwhy.core.stats import deployment
from distilwhy.core.stats.cascade import Cascade
from distilwhy.demo import run
from distilwhy.demo.helpdesk import TEAMS

ROWS = {"train": 60, "validation": 60, "test": 10}


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """What the demo prints, with fewer rows and steps, and a threshold that students meet."""
    few = replace(run.TASKS["helpdesk"], rows=ROWS, training={"steps": 2, "batch_size": 8})
    monkeypatch.setattr(run, "TASKS", {"helpdesk": few})
    cascade = Cascade(0.9, threshold=0.0, rows=60, alone=60, right=60)
    monkeypatch.setattr(deployment, "choose_cascade", lambda *given: cascade)
    monkeypatch.chdir(tmp_path)
    return call("demo").stdout


def line(printed: str, start: str) -> str:
    [found] = re.findall(rf"^(?:Try it: |  )({start}.*)$", printed, re.M)
    return found


def test_the_demo_ends_with_its_cascade_and_commands_that_work_as_printed(printed: str):
    end = printed[printed.index("One seed each") :]
    assert re.search(r"^\S+ answers .* traffic alone at ≥ 90%", end, re.M)
    serve, curl = line(end, "distilwhy serve"), line(end, "curl")
    assert serve.endswith(" --cascade")
    assert end.index(serve) < end.index(curl)
    call(*shlex.split(line(end, "distilwhy predict"))[1:])
    # Another server may have the default port here.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *shlex.split(serve), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == f"http://127.0.0.1:{port}\n"
        if shutil.which("curl") is None:
            pytest.skip("curl is not installed")
        asked = shlex.split(curl.replace(":8000/", f":{port}/"))
        answered = subprocess.run(
            [*asked, "--silent", "--retry", "5", "--retry-connrefused"],
            capture_output=True,
            check=True,
            timeout=60,
        )
    finally:
        server.terminate()
        server.communicate(timeout=60)
    [found] = json.loads(answered.stdout)["predictions"]
    assert found["source"] == "student"
    assert found["label"] in TEAMS


def test_without_a_threshold_or_the_serve_extra_the_demo_says_so(
    printed: str, monkeypatch: pytest.MonkeyPatch
):
    assert "pip install" not in printed
    none = Cascade(0.9, reason="no threshold keeps agreement")
    monkeypatch.setattr(deployment, "choose_cascade", lambda *given: none)
    monkeypatch.setattr(next_steps, "find_spec", lambda name: None)
    shutil.rmtree("demo-run/run/predictions")
    again = call("demo").stdout
    assert re.search(r"^No cascade for \S+: no threshold keeps agreement\.", again, re.M)
    assert "--cascade" not in again
    assert again.index("pip install 'distilwhy[serve]'") < again.index("distilwhy serve")


def test_an_environment_in_this_folder_need_not_be_active_in_another_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "distilwhy").touch()
    monkeypatch.setattr(sys, "executable", os.fspath(programs / "python"))
    assert next_steps._program() == ".venv/bin/distilwhy"


def test_what_scripts_demo_installs_can_serve():
    script = Path(__file__).parents[2] / "scripts" / "demo"
    assert 'install ".[serve]"' in script.read_text()
