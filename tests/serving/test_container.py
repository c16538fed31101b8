"""The Dockerfile without Docker: what it copies builds the wheel, and its command serves."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from zipfile import ZipFile

import pytest
from typer.main import get_command

from distilwhy.cli.app import app
from tiny_students import scratch

ROOT = Path(__file__).parents[2]
PORT = "8000"
READY_WITHIN_S = 120
# A shell whose file system is read-only but for one folder, as with ``--read-only --tmpfs /tmp``.
READ_ONLY = 'mount --rbind / / && mount -o remount,ro,bind / && mount -t tmpfs none "$TMPDIR"'


@dataclass(frozen=True)
class Dockerfile:
    """The last stage of a Dockerfile, and all that is run and copied before."""

    steps: list[tuple[str, str]]

    def find(self, name: str) -> list[str]:
        return [text for step, text in self.steps if step == name]

    def command(self, name: str) -> list[str]:
        return json.loads(self.find(name)[-1].partition("CMD ")[2] or self.find(name)[-1])

    @property
    def environment(self) -> dict[str, str]:
        pairs = shlex.split(self.find("ENV")[-1])
        return dict(pair.split("=", 1) for pair in pairs if not pair.startswith("PATH="))


@pytest.fixture(scope="module")
def dockerfile() -> Dockerfile:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"(?m)^#.*\n", "", text).replace("\\\n", " ").splitlines()
    return Dockerfile([(name, rest) for name, _, rest in (line.partition(" ") for line in lines)])


@pytest.fixture(scope="module")
def context(dockerfile: Dockerfile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Dockerfile copies from the repository, without what .dockerignore leaves out."""
    folder = tmp_path_factory.mktemp("context")
    sent = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    for step in dockerfile.find("COPY"):
        *names, place = step.split()
        if names[0].startswith("--from"):
            continue
        for name in names:
            assert any(fnmatch(name, pattern) for pattern in sent), f".dockerignore: {name}"
            source, target = ROOT / name, folder / place
            shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    return folder


def test_what_the_dockerfile_copies_builds_the_wheel(
    dockerfile: Dockerfile, context: Path, tmp_path: Path
):
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=context, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        [name] = [one for one in archive.namelist() if one.endswith("/METADATA")]
        metadata = archive.read(name).decode()
    [installed] = [run for run in dockerfile.find("RUN") if ".[" in run]
    for extra in re.findall(r"\.\[([\w,-]+)\]", installed)[0].split(","):
        assert f"Provides-Extra: {extra}\n" in metadata
    needed = re.search(r"Requires-Python: >=([\d.]+)", metadata)
    assert needed is not None
    assert {image.split()[0] for image in dockerfile.find("FROM")} == {f"python:{needed[1]}-slim"}


def test_torch_is_installed_from_its_cpu_index_before_all_else(dockerfile: Dockerfile):
    first, second = [run for run in dockerfile.find("RUN") if run.startswith("pip install")]
    assert re.search(r" torch\s+--index-url https://download.pytorch.org/whl/cpu$", first)
    # Both take the same version, so that the second does not install PyPI's in its place.
    assert re.search(r"-c constraints.txt", first)
    assert re.search(r"-c constraints.txt", second)


def test_the_container_s_user_is_a_number_other_than_root(dockerfile: Dockerfile):
    [user] = dockerfile.find("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    last_copy = max(i for i, (name, _) in enumerate(dockerfile.steps) if name == "COPY")
    assert dockerfile.steps.index(("USER", user)) > last_copy


def test_the_port_is_that_of_the_command(dockerfile: Dockerfile):
    options = {one.name: one for one in get_command(app).commands["serve"].params}
    assert dockerfile.find("EXPOSE") == [PORT]
    assert str(options["port"].default) == PORT
    assert f":{PORT}/" in dockerfile.command("HEALTHCHECK")[-1]


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return opened.getsockname()[1]


def contain(command: list[str], environment: dict[str, str]) -> list[str]:
    """The command on a read-only file system; as it is where this user cannot make one."""
    shell = ["unshare", "--mount", "sh", "-c", f'{READ_ONLY} && exec "$@"', "sh"]
    tried = [*shell, "sh", "-c", 'touch "$TMPDIR/a" && ! touch "$HOME/a"']
    if subprocess.run(tried, env=environment, capture_output=True).returncode:
        return command
    return [*shell, *command]


def test_the_container_s_command_serves_until_sigterm(
    dockerfile: Dockerfile, tmp_path: Path, free_port: int
):
    student, temporary = tmp_path / "student", tmp_path / "tmp"
    scratch().save(student)
    temporary.mkdir()
    given = {
        **os.environ,
        **dockerfile.environment,
        "HOME": str(tmp_path),
        "TMPDIR": str(temporary),
        "DISTILWHY_API_KEY": "a-key",
    }
    command = [*dockerfile.command("ENTRYPOINT"), *dockerfile.command("CMD")]
    command[command.index("/student")] = str(student)
    command[0] = str(Path(sysconfig.get_path("scripts")) / command[0])
    command += ["--port", str(free_port), "--workers", "2"]
    check = [sys.executable, *dockerfile.command("HEALTHCHECK")[1:]]
    check[-1] = check[-1].replace(PORT, str(free_port))
    assert subprocess.run(check, capture_output=True).returncode != 0
    server = subprocess.Popen(contain(command, given), env=given, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + READY_WITHIN_S
    while subprocess.run(check, capture_output=True).returncode != 0:
        assert server.poll() is None, server.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.5)
    server.send_signal(signal.SIGTERM)
    _, errors = server.communicate(timeout=60)
    assert server.returncode in (0, -signal.SIGTERM), errors
