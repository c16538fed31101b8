"""The wheel, installed into another environment, works in another folder without the clone."""

import os
import site
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from distilwhy._version import __version__

ROOT = Path(__file__).parent.parent
# ``distilwhy demo`` with few rows and steps.
DEMO = """\
from dataclasses import replace

import distilwhy
from distilwhy.cli.app import app
from distilwhy.demo import run

assert "site-packages" in distilwhy.__file__, distilwhy.__file__
rows = {"train": 40, "validation": 10, "test": 10}
few = replace(run.TASKS["helpdesk"], rows=rows, training={"steps": 2, "batch_size": 8})
run.TASKS["helpdesk"] = few
app(["demo", "--out", "demo", "--workers", "1"])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [found] = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel, and this one's other packages."""
    folder = tmp_path_factory.mktemp("project") / "env"
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    subprocess.run([*pip, *options, str(wheel)], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    # A plain path: the links to editable packages that the other folder has are not followed.
    (packages / "others.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    return python.parent


def run(program: Path, *arguments: str, folder: Path) -> str:
    """What a program prints in another folder, with no path to the clone."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(program), *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_every_file_of_the_package(wheel: Path):
    files = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src/distilwhy").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert files - names == set()
    assert {name.split("/")[0] for name in names} == {
        "distilwhy",
        f"distilwhy-{__version__}.dist-info",
    }


def test_an_installed_wheel_starts_an_experiment_in_another_folder(installed: Path, tmp_path: Path):
    assert "annotate" in run(installed / "distilwhy", "--help", folder=tmp_path)
    run(installed / "distilwhy", "init", "mine", folder=tmp_path)
    assert (tmp_path / "mine/experiment.yaml").is_file()


def test_an_installed_wheel_runs_the_demo_in_another_folder(installed: Path, tmp_path: Path):
    assert "Report: demo/run/report/report.html" in run(
        installed / "python", "-c", DEMO, folder=tmp_path
    )
    assert (tmp_path / "demo/run/report/report.html").is_file()
