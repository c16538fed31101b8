"""Files that are written whole or not at all, and reading them back.

Each is written under another name beside its place and then renamed, so a command that is killed
leaves the old file or the new one, never half of one.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from distilwhy.errors import RunError

_SIGNATURE = "signature"


def publish_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically; its folder is made if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _part(path)
    part.write_bytes(content)
    part.replace(path)


def publish_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 atomically."""
    publish_bytes(path, text.encode())


def publish_json(path: Path, value: object) -> None:
    """Write a value as indented JSON atomically."""
    publish_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def publish_jsonl(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows atomically, one JSON object per line."""
    publish_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def publish_arrays(path: Path, signature: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays with a signature of what they were computed from, atomically."""
    part = _part(path)
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **{_SIGNATURE: np.array(signature)}, **arrays)
    part.replace(path)


def publish_folder(source: Path, path: Path) -> None:
    """Move a finished folder into place; an older folder there is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    source.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None if there is no such file.

    Raises:
        RunError: if the file is not JSON.
    """
    return dict(_parse(path, path.read_text(encoding="utf-8"))) if path.is_file() else None


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read JSON objects, one per line; none if there is no such file.

    Raises:
        RunError: if a line is not JSON.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [_parse(path, line) for line in lines]


def read_arrays(path: Path, signature: str) -> dict[str, np.ndarray] | None:
    """Read arrays; None if there are none, or they have another signature."""
    try:
        with np.load(path) as kept:
            if str(kept[_SIGNATURE]) != signature:
                return None
            return {name: kept[name] for name in kept.files if name != _SIGNATURE}
    except (OSError, ValueError, KeyError, BadZipFile, EOFError):
        return None


def folder_size(path: Path) -> int:
    """The total size of all files in a folder, in bytes."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _parse(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise RunError(
            f"{path}: not valid JSON ({error.msg}); delete it and run the command again"
        ) from None
