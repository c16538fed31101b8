"""Writes what the docs take from the code; the tests check that it is up to date.

ARCHITECTURE.md lists every module and CONTRIBUTING.md every public class, each with the first
sentence of its docstring. docs/cli.md has the ``--help`` of every command, docs/keys.md the keys of
the experiment file with their types, limits and defaults.

    python scripts/reference.py
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from distilwhy.cli.app import app
from distilwhy.config.experiment import ExperimentConfig

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src/distilwhy"
_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
    "null": "`null`",
}


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


def keys() -> str:
    """The keys of every section of the experiment file."""
    schema = ExperimentConfig.model_json_schema()
    definitions = schema.pop("$defs")
    scalars, sections = {}, {}
    for name, value in schema["properties"].items():
        parts = [definitions[part] for part in _list_sections(value)]
        if parts:
            sections[name] = parts
        else:
            scalars[name] = value
    order = ["task", "data", *(name for name in sections if name not in ("task", "data"))]
    tables = [
        f"\n## {name}\n"
        + "".join(_write_section(name, part, definitions) for part in sections[name])
        for name in order
    ]
    top = _write_table("", {"properties": scalars}, definitions)
    return "".join([*tables, "\n## Top level\n", top])


def _write_section(name: str, section: dict[str, Any], definitions: dict[str, Any]) -> str:
    """The title if there are several of the kind, what it is, and its keys."""
    kind = section["properties"].get("kind", {}) if name == "teacher" else {}
    kinds = kind.get("enum") or ([kind["const"]] if "const" in kind else [])
    title = "\n### " + ", ".join(f"kind: {one}" for one in kinds) + "\n" if kinds else ""
    about = " ".join(section.get("description", "").split("\n\n")[0].split())
    return f"{title}\n{about.replace('``', '`')}\n" + _write_table(name, section, definitions)


def _write_table(prefix: str, section: dict[str, Any], definitions: dict[str, Any]) -> str:
    rows = _list_keys(prefix, section, definitions)
    return "\n| key | value | default |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"


def _list_keys(prefix: str, section: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    """One row a key; the keys of a section within are listed below it."""
    for name, value in section["properties"].items():
        path = f"{prefix}.{name}" if prefix else name
        required = name in section.get("required", ())
        default = "required" if required else _write_default(value)
        within = _list_sections(value)
        yield f"| `{path}` | {_describe(value)} | {default} |"
        if len(within) == 1:
            yield from _list_keys(path, definitions[within[0]], definitions)


def _list_sections(value: dict[str, Any]) -> list[str]:
    """The sections that a value can be."""
    choices = [value, *value.get("anyOf", ()), *value.get("oneOf", ())]
    return [choice["$ref"].rpartition("/")[2] for choice in choices if "$ref" in choice]


def _describe(value: dict[str, Any]) -> str:
    """What a key takes, in words."""
    if choices := value.get("anyOf") or value.get("oneOf"):
        return " or ".join(dict.fromkeys(_describe(choice) for choice in choices))
    if "$ref" in value:
        return "a section"
    if "enum" in value or "const" in value:
        names = value.get("enum", [value.get("const")])
        return ", ".join(f"`{_plain(name)}`" for name in names)
    if value["type"] == "array":
        return f"a list of: {_describe(value['items'])}"
    if value["type"] == "object":
        return "named sections" if value["additionalProperties"] is not True else "a mapping"
    return _TYPES[value["type"]] + _write_limits(value)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _write_limits(value: dict[str, Any]) -> str:
    names = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{mark} {value[name]:.10g}" for name, mark in names.items() if name in value]
    return f" {', '.join(limits)}" if limits else ""


def _write_default(value: dict[str, Any]) -> str:
    if "default" not in value or (_list_sections(value) and isinstance(value["default"], dict)):
        return ""
    if value["default"] is None:
        return "none"
    return f"`{json.dumps(value['default'], ensure_ascii=False)}`"


def documents() -> dict[Path, str]:
    """The files that this script writes, with their contents."""
    contents = {
        ROOT / "ARCHITECTURE.md": ("files", file_map()),
        ROOT / "CONTRIBUTING.md": ("glossary", glossary()),
        ROOT / "docs/cli.md": ("help", cli_help()),
        ROOT / "docs/keys.md": ("keys", keys()),
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
