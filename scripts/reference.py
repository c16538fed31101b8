"""Writes what the docs take from the code; the tests check that it is up to date.

ARCHITECTURE.md lists every module and CONTRIBUTING.md every public class, each with the first
sentence of its docstring. docs/cli.md has the ``--help`` of every command.

    python scripts/reference.py
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from distilwhy.cli.app import app

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src/distilwhy"


def update(text: str, name: str, content: str) -> str:
    """The text with ``content`` between the markers called ``name``."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    before, rest = text.split(begin)
    return before + begin + content + end + rest.split(end)[1]


def file_map() -> str:
    """One line a module, indented like the folders."""
    return "```\n" + "\n".join(_list_folder(PACKAGE, 0)) + "\n```\n"


def glossary() -> str:
    """One line a public class, in alphabetical order."""
    rows = sorted(
        (name.lower(), f"| `{name}` | {sentence} | `{path.relative_to(PACKAGE)}` |")
        for path in sorted(PACKAGE.rglob("*.py"))
        for name, sentence in _list_classes(path)
    )
    return "| name | meaning | file |\n| --- | --- | --- |\n" + "\n".join(r for _, r in rows) + "\n"


def cli_help() -> str:
    """The help of every command, as a terminal of 80 columns shows it."""
    runner, width = CliRunner(), {"COLUMNS": "80", "TERMINAL_WIDTH": "80"}
    helps = {
        name: runner.invoke(app, [name, "--help"], env=width, prog_name="distilwhy").stdout
        for name in get_command(app).commands  # type: ignore[attr-defined]
    }
    return "".join(f"\n## distilwhy {name}\n\n```text\n{text}```\n" for name, text in helps.items())


def documents() -> dict[Path, str]:
    """The files that this script writes, with their contents."""
    contents = {
        ROOT / "ARCHITECTURE.md": ("files", file_map()),
        ROOT / "CONTRIBUTING.md": ("glossary", glossary()),
        ROOT / "docs/cli.md": ("help", cli_help()),
    }
    return {
        path: update(path.read_text(encoding="utf-8"), name, content)
        for path, (name, content) in contents.items()
    }


def _list_folder(folder: Path, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py":
            sentence = _first_sentence(ast.parse(path.read_text(encoding="utf-8")))
            yield f"{indent + path.name:<28}{sentence}".rstrip()
    for path in sorted(path for path in folder.iterdir() if (path / "__init__.py").is_file()):
        sentence = _first_sentence(ast.parse((path / "__init__.py").read_text(encoding="utf-8")))
        yield f"{indent + path.name + '/':<28}{sentence}".rstrip()
        yield from _list_folder(path, depth + 1)


def _list_classes(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, _first_sentence(node).replace("|", "\\|")


def _first_sentence(node: ast.Module | ast.ClassDef) -> str:
    paragraph = (ast.get_docstring(node) or "").split("\n\n")[0]
    sentence = re.split(r"(?<=[a-z0-9`)”]\.) (?=[A-Z`])", " ".join(paragraph.split()))[0]
    return sentence.removesuffix(".")


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
