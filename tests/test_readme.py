"""The README's commands and Python run, here with a tiny student, few steps and a local teacher."""

import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from commands import call
from distilwhy.demo.loopback import LoopbackServer

README = (Path(__file__).parent.parent / "README.md").read_text()
TINY = {"scratch": {"width": 16, "layers": 1, "heads": 2, "feedforward": 16, "vocabulary": 400}}


def block(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", README, re.S)
    assert len(found) == 1, f"the README has one {language} block"
    return found[0]


async def reply(request: web.Request) -> web.Response:
    assert request.headers["Authorization"] == "Bearer a-key-of-nobody"
    message = {"content": "Something is broken. So the answer is damage."}
    return web.json_response({"choices": [{"message": message, "finish_reason": "stop"}]})


@pytest.fixture
def base_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-nobody")
    application = web.Application()
    application.router.add_post("/v1/chat/completions", reply)
    with LoopbackServer(application) as server:
        yield f"{server.url}/v1"


def make_tiny(file: Path, base_url: str) -> None:
    """Give the experiment a tiny student, few steps and the local teacher."""
    value = yaml.safe_load(file.read_text())
    value["teacher"]["base_url"] = base_url
    value["student"] = TINY
    value["training"] = {"steps": 2, "batch_size": 2}
    value["seeds"] = [0]
    file.write_text(yaml.safe_dump(value))


def test_the_commands_run(base_url: str):
    lines = [line.split("#")[0].strip() for line in block("bash").splitlines()]
    names = []
    for line in filter(None, lines):
        program, *arguments = shlex.split(line)
        assert program == "distilwhy"
        call(*arguments)
        names.append(arguments[0])
        if arguments[0] == "init":
            make_tiny(Path("mytask/experiment.yaml"), base_url)
    assert names == ["init", "plan", "annotate", "run", "status", "predict"]


def test_the_python_code_runs(base_url: str, capsys: pytest.CaptureFixture[str]):
    call("init", "mytask")
    code = block("python")
    for written, tested in {
        "https://api.openai.com/v1": base_url,
        'dw.StudentConfig(model="google/flan-t5-small")': f"dw.StudentConfig(**{TINY})",
        "steps=1000": "steps=2",
    }.items():
        assert written in code
        code = code.replace(written, tested)
    Path("readme.py").write_text(code)
    runpy.run_path("readme.py", run_name="__main__")
    printed = capsys.readouterr().out
    assert "MethodScore(method='step-by-step'" in printed
    assert "rationale=" in printed
