"""What the docs take from the code is up to date."""

import ast
import re
import runpy
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
REFERENCE = runpy.run_path(str(ROOT / "scripts/reference.py"))


@pytest.mark.parametrize("path", REFERENCE["documents"](), ids=lambda path: path.name)
def test_the_docs_match_the_code(path: Path):
    written = REFERENCE["documents"]()[path]
    assert path.read_text(encoding="utf-8") == written, "run scripts/reference.py"


def test_every_module_and_public_class_has_a_docstring():
    lines = [*REFERENCE["file_map"]().splitlines()[1:-1], *REFERENCE["glossary"]().splitlines()]
    assert [line for line in lines if len(line.split()) < 2 or "|  |" in line] == []


def test_a_public_class_name_has_one_meaning():
    names = [line.split("`")[1] for line in REFERENCE["glossary"]().splitlines()[2:]]
    assert [name for name, count in Counter(names).items() if count > 1] == []


def names_of(path: Path) -> set[str]:
    """The classes, functions and constants that a module defines."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
    return found


@pytest.mark.parametrize(
    ("name", "path"), re.findall(r"\[`(\w+)`\]\((src/[\w/]+\.py)\)", ARCHITECTURE)
)
def test_a_linked_name_is_defined_in_its_file(name: str, path: str):
    assert name in names_of(ROOT / path)


def test_the_files_to_change_exist():
    table = ARCHITECTURE.split("## Where to change what")[1].split("## Files")[0]
    paths = re.findall(r"`([\w/]+/[\w.]*)`", table.replace("NAME", "__init__"))
    assert len(paths) > 30
    folders = (ROOT / "src/distilwhy", ROOT)
    missing = [path for path in paths if not any((folder / path).exists() for folder in folders)]
    assert missing == []


def test_every_key_of_the_experiment_file_is_explained():
    keys = {*re.findall(r"^\| `([\w.]+)` \|", REFERENCE["keys"](), re.M)}
    pages = [ROOT / "docs" / name for name in ("experiment.md", "report.md", "teachers.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert len(keys) > 80
    unexplained = [key for key in keys if not re.search(rf"\b{key.split('.')[-1]}\b", text)]
    assert unexplained == []
