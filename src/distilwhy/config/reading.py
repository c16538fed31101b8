"""Reading a config from YAML. Anything unknown is refused, by name."""

import re
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from distilwhy.config.teacher import NAME_IT, TEACHERS
from distilwhy.core.wording import unknown
from distilwhy.errors import ConfigError

Config = TypeVar("Config", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML in which ``5e-5`` is a number, as it is everywhere but in YAML 1.1, and in which no
    key may stand twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_config(path: Path, kind: type[Config]) -> Config:
    """The ``kind`` of config that the YAML file at ``path`` holds.

    Raises:
        ConfigError: in one line, naming the file, the key and what to do.
    """
    return check_config(read_yaml(path), kind, str(path))


def read_yaml(path: Path) -> object:
    """What the YAML file at ``path`` holds.

    Raises:
        ConfigError: if it cannot be read, or is no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is no UTF-8 text; save it as UTF-8") from None
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "broken"
        raise ConfigError(
            f"{path}{line}: cannot be read as YAML ({problem}); mend it there"
        ) from None


def check_config(value: object, kind: type[Config], where: str) -> Config:
    """``value`` as that ``kind`` of config; the first thing wrong with it as a ConfigError."""
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: must hold keys and values, such as 'input:'")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(error, kind)}") from None


def _explain(error: ValidationError, kind: type[BaseModel]) -> str:
    """The most telling of pydantic's complaints, in one line."""
    complaints = error.errors(include_url=False)
    unknown = [c for c in complaints if c["type"] == "extra_forbidden"]
    first = (unknown or sorted(complaints, key=lambda c: -len(c["loc"])))[0]
    path = [part for part in first["loc"][:-1] if not _is_branch(part)]
    last = first["loc"][-1]
    if first["type"] in ("extra_forbidden", "missing") or not _is_branch(last):
        path.append(last)
    key = ".".join(str(part) for part in path)
    if first["type"] == "extra_forbidden":
        return f"{key}: {_unknown_key(str(path[-1]), _siblings(kind, path))}"
    if first["type"] == "missing":
        return f"{key}: is missing; add it"
    given = first["input"]
    if first["type"].startswith("union_tag"):
        value = f"{given['kind']!r}: " if isinstance(given, dict) and "kind" in given else ""
        return f"{key}.kind: {value}must be one of {', '.join(TEACHERS)}"
    if first["type"].startswith(("model_", "dict_")):
        return f"{key}: {given!r}: must hold keys and values"
    message = str(first["msg"]).removeprefix("Value error, ").replace(" after validation", "")
    hint = "; put it in quotes" if isinstance(given, bool) and "string" in message else ""
    secret = key.endswith("api_key_env") or "user name or password" in message
    value = "" if secret or isinstance(given, dict | list) else f"{given!r}: "
    return f"{key}: {value}{message[0].lower() + message[1:]}{hint}"


def _is_branch(part: str | int) -> bool:
    """Whether pydantic names the arm of a union there, not a key."""
    arms = ("str", "float", *TEACHERS, "list[dict[str,any]]")
    return isinstance(part, str) and (part in arms or part.endswith("Config"))


def _siblings(kind: type[BaseModel], path: list[str | int]) -> list[str]:
    """The keys that may stand where the last of ``path`` stands."""
    arms: list[Any] = [kind]
    for part in path[:-1]:
        arms = [inner for arm in arms for inner in _within(arm, part)]
    # Of two arms, the one that has the key is not the one that it was written for.
    strangers = [k.model_fields for k in arms if _is_model(k) and path[-1] not in k.model_fields]
    return sorted({name for fields in strangers for name in fields})


def _within(arm: Any, part: str | int) -> list[Any]:
    """What may stand under a key of a mapping, or of a model."""
    if get_origin(arm) is dict:
        return _arms(get_args(arm)[1])
    fields = arm.model_fields if _is_model(arm) else {}
    return _arms(fields[part].annotation) if part in fields else []


def _arms(annotation: object) -> list[object]:
    if get_origin(annotation) in (Union, UnionType, Annotated, list):
        return [arm for part in get_args(annotation) for arm in _arms(part)]
    return [annotation]


def _is_model(arm: object) -> bool:
    return isinstance(arm, type) and issubclass(arm, BaseModel)


def _unknown_key(name: str, known: list[str]) -> str:
    if name == "api_key":
        return f"never write a key here; {NAME_IT}"
    return unknown("key", name, known)
