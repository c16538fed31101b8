"""Writes a first experiment, ready to edit."""

from importlib.resources import files
from pathlib import Path

from distilwhy.errors import ConfigError
from distilwhy.store.files import publish_text

FILES = ("experiment.yaml", "task.yaml", "exemplars.yaml", "train.jsonl", "test.jsonl")


def init(directory: Path) -> list[Path]:
    """Write a commented experiment, its task, exemplars and a few rows; give the files written.

    Raises:
        ConfigError: if the folder has something in it.
    """
    require_new(directory)
    starter = files("distilwhy.pipeline").joinpath("starter")
    for name in FILES:
        publish_text(directory / name, starter.joinpath(name).read_text(encoding="utf-8"))
    return [directory / name for name in FILES]


def require_new(directory: Path) -> None:
    """Refuse a folder that is not new or empty.

    Raises:
        ConfigError: if it is neither.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigError(f"{directory}: is not empty; name a new folder, so that nothing is lost")
