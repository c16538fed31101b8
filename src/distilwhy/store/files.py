"""Files that are written whole or not at all, and reading them back.

Each is written under another name beside its place and then renamed, so a command that is killed
leaves the old file or the new one, never half of one.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from distilwhy.errors import RunError

_SIGNATURE = "signature"


@dataclass(frozen=True)
class FileIdentity:
    """Which file a path named when it was opened."""

    path: Path
    device: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Self:
        found = path.stat()
        return cls(path, found.st_dev, found.st_ino)

    def require_same(self) -> None:
        """Check that the path still names this file.

        Raises:
            RunError: if it names another file, or none.
        """
        with suppress(OSError):
            if FileIdentity.of(self.path) == self:
                return
        raise RunError(
            f"{self.path}: was moved or deleted while this command was using it; put it back if "
            "you can, and run the command again"
        )


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """In this context, an OSError becomes a RunError that names ``path``."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written ({error.strerror or error}); check the disk and the "
            "folder, or name another place"
        ) from error


def require_writable(path: Path) -> None:
    """Check that a file can be written at ``path``, before the work for it.

    Raises:
        RunError: if it cannot.
    """
    if path.is_dir():
        raise RunError(f"{path}: is a folder; name a file")
    parent = next(place for place in path.absolute().parents if place.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise RunError(f"{path}: cannot be written in {parent}; name another place")


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a file beside ``path`` that replaces it at the end of the context.

    The folder of ``path`` is made if it is missing.

    Raises:
        RunError: if it cannot be written; an older file stays as it is.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with naming_file(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            part.replace(path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise


def publish_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically; its folder is made if it is missing.

    Raises:
        RunError: if it cannot be written; so for all that follow.
    """
    with writing(path) as part:
        part.write_bytes(content)


def publish_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 atomically."""
    publish_bytes(path, text.encode())


def publish_json(path: Path, value: object) -> None:
    """Write a value as indented JSON atomically."""
    publish_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def publish_jsonl(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows atomically, one JSON object per line."""
    publish_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def cache_arrays(path: Path, signature: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays with a signature of what they were computed from, atomically.

    They can be computed again, so a failure to write them is ignored.
    """
    with suppress(RunError), writing(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **{_SIGNATURE: np.array(signature)}, **arrays)


def publish_folder(source: Path, path: Path) -> None:
    """Move a finished folder into place; an older folder there is replaced."""
    with naming_file(path):
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
        RunError: if the file cannot be read, or is not a JSON object.
    """
    return _parse(path, _read_text(path)) if path.exists() else None


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read JSON objects, one per line; none if there is no such file.

    Raises:
        RunError: if the file cannot be read, or a line is not a JSON object.
    """
    lines = _read_text(path).splitlines() if path.exists() else []
    return [_parse(path, line) for line in lines]


def read_arrays(path: Path, signature: str) -> dict[str, np.ndarray] | None:
    """Read arrays; None if there are none, or they have another signature."""
    try:
        with path.open("rb") as file, np.load(file) as kept:
            if str(kept[_SIGNATURE]) != signature:
                return None
            return {name: kept[name] for name in kept.files if name != _SIGNATURE}
    # numpy raises errors of many kinds on a broken file.
    except Exception:  # noqa: BLE001
        return None


def holds_arrays(path: Path) -> bool:
    """Whether a file holds arrays that ``cache_arrays`` wrote, under any signature."""
    try:
        with path.open("rb") as file, np.load(file) as kept:
            return _SIGNATURE in kept.files
    # numpy raises errors of many kinds on a broken file.
    except Exception:  # noqa: BLE001
        return False


def folder_size(path: Path) -> int:
    """The total size of all files in a folder, in bytes."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from None
    except UnicodeDecodeError:
        raise _broken(path, "is not UTF-8 text") from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise _broken(path, f"not valid JSON ({error.msg})") from None
    except (RecursionError, ValueError) as error:
        raise _broken(path, f"not valid JSON ({str(error).splitlines()[0]})") from None
    if not isinstance(value, dict):
        raise _broken(path, f"holds a {type(value).__name__}, not an object")
    return value


def _broken(path: Path, problem: str) -> RunError:
    return RunError(f"{path}: {problem}; delete it and run the command again")
