"""The layout that CONTRIBUTING.md promises: small folders and files, no cycles, plain words."""

import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src/distilwhy"
MOST_FILES, MOST_LINES = 16, 400
BANNED = re.compile(r"(?i)keeper|purse|roster|lesson|foretell|heard")


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (ROOT / folder).rglob("*.py")


def folders() -> list[Path]:
    return [
        PACKAGE,
        *(path for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__"),
    ]


def test_a_folder_holds_few_files():
    counts = {
        str(folder.relative_to(ROOT)): sum(file.is_file() for file in folder.iterdir())
        for folder in folders()
    }
    assert {name: count for name, count in counts.items() if count > MOST_FILES} == {}


def test_a_file_has_at_most_400_lines():
    files = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for file in python_files("src", "tests", "benchmarks")
    }
    assert {name: lines for name, lines in files.items() if lines > MOST_LINES} == {}


def test_the_source_uses_the_field_s_words():
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in python_files("src")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if BANNED.search(line)
    ]
    assert found == []


def test_no_two_modules_import_each_other_at_runtime():
    graph = grimp.build_graph("distilwhy", exclude_type_checking_imports=True, cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    TopologicalSorter(imports).prepare()
