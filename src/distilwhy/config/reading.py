"""Reads a config from YAML; errors name the line, the key and what to do."""

import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from distilwhy.config.strict import NAME_IT
from distilwhy.config.teacher import TEACHERS
from distilwhy.errors import ConfigError, first_line

Config = TypeVar("Config", bound=BaseModel)

_MOST_NODES = 1_000_000


class _Loader(yaml.SafeLoader):
    """YAML by the core schema of 1.2, where ``No`` is text; refuses duplicate keys."""

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> str:
        """A string; surrogate pairs that JSON escapes as two halves are joined."""
        text = str(super().construct_scalar(node))
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise yaml.MarkedYAMLError(
                problem="half of a character is escaped", problem_mark=node.start_mark
            ) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


# By tag: a pattern, and the characters that it can begin with.
_CORE_SCHEMA = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(0|[1-9][0-9_]*)", list("-+0123456789")),
    "float": (
        r"[-+]?(\.[0-9]+|(0|[1-9][0-9_]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?",
        list("-+.0123456789"),
    ),
    "merge": (r"<<", ["<"]),
}
_Loader.yaml_implicit_resolvers = {}
for _tag, (_pattern, _first) in _CORE_SCHEMA.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first
    )


def read_config(path: Path, kind: type[Config]) -> Config:
    """Read the YAML file at ``path`` as that kind of config.

    Raises:
        ConfigError: if it cannot be read, or is not valid.
    """
    value, node = _load(path)
    return check_config(value, kind, str(path), node)


def read_yaml(path: Path) -> object:
    """Read the YAML file at ``path``.

    Raises:
        ConfigError: if it cannot be read, or is not YAML.
    """
    return _load(path)[0]


def check_config(
    value: object, kind: type[Config], where: str, node: yaml.Node | None = None
) -> Config:
    """Validate a value as that kind of config.

    Messages name it by ``where``, and give the lines of ``node``, the YAML that it was read from.

    Raises:
        ConfigError: with the first thing that is wrong.
    """
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: must hold keys and values, such as 'input:'")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        key, message = _explain(error)
        line = _find_line(node, key)
        at = f" line {line}" if line else ""
        raise ConfigError(f"{where}{at}: {'.'.join(map(str, key))}: {message}") from None


def _load(path: Path) -> tuple[object, yaml.Node | None]:
    """The value of a YAML file, and its nodes, which know their lines."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            _measure(node, {})
        return loader.construct_document(node) if node else None, node
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "broken"
        raise ConfigError(f"{path}{line}: is not valid YAML ({problem}); correct it") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply; correct it") from None
    # A tag such as !!int before something else: PyYAML raises errors of all kinds.
    except Exception as error:  # noqa: BLE001
        problem = f"{type(error).__name__}: {first_line(error)}"
        raise ConfigError(
            f"{path}: is not valid YAML ({problem}); put the value in quotes, or correct it"
        ) from None


def _measure(node: yaml.Node, known: dict[int, int]) -> int:
    """The number of nodes in a tree, with every alias expanded.

    Raises:
        yaml.MarkedYAMLError: if there are too many, or an alias refers to itself.
    """
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = _MOST_NODES  # while it is open: an alias inside refers to itself
    inner = node.value if isinstance(node, yaml.CollectionNode) else []
    parts = chain.from_iterable(inner) if isinstance(node, yaml.MappingNode) else inner
    size = 1 + sum(_measure(part, known) for part in parts)
    if size > _MOST_NODES:
        raise yaml.MarkedYAMLError(
            problem="an alias refers to itself, or expands too far", problem_mark=node.start_mark
        )
    known[id(node)] = size
    return size


def _find_line(node: yaml.Node | None, key: Sequence[str | int]) -> int | None:
    """The line of a key, or of the innermost section of it that the file has."""
    line = None
    for part in key:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            found = {name.value: (name.start_mark.line + 1, inner) for name, inner in node.value}
            if part not in found:
                break
            line, node = found[part]
    return line


def _explain(error: ValidationError) -> tuple[list[str | int], str]:
    """The most telling of pydantic's errors: the key, and what is wrong with it."""
    errors = error.errors(include_url=False)
    unknown = [e for e in errors if e["type"] == "unknown_key"]
    first = (unknown or sorted(errors, key=lambda e: -len(e["loc"])))[0]
    kind, given, location = first["type"], first["input"], first["loc"]
    key = [
        part
        for part in location
        if not _is_branch(part) or (part == location[-1] and kind == "missing")
    ]
    if kind == "unknown_key":
        return [*key, first["ctx"]["key"]], str(first["msg"])
    if kind == "missing":
        return key, "is missing; add it"
    if kind.startswith("union_tag"):
        value = f"{given['kind']!r}: " if isinstance(given, dict) and "kind" in given else ""
        return [*key, "kind"], f"{value}must be one of {', '.join(TEACHERS)}"
    if kind.startswith(("model_", "dict_")):
        return key, f"{given!r}: must hold keys and values"
    message = str(first["msg"]).removeprefix("Value error, ").replace(" after validation", "")
    secret = key[-1] == "api_key_env" or NAME_IT in message
    value = "" if secret or isinstance(given, dict | list) else f"{given!r}: "
    return key, f"{value}{message[0].lower()}{message[1:]}{_HINTS.get(kind, '')}"


_HINTS = {"string_type": "; put it in quotes", "bool_type": "; write true or false"}


def _is_branch(part: str | int) -> bool:
    """Whether a part of pydantic's location names a branch of a union, not a key."""
    branches = ("str", "float", *TEACHERS, "list[dict[str,any]]")
    return isinstance(part, str) and (part in branches or part.endswith("Config"))
