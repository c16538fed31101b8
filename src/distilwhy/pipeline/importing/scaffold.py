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
    need_new(directory)
    starter = files("distilwhy.pipeline").joinpath("starter")
    for name in FILES:
        publish_text(directory / name, starter.joinpath(name).read_text(encoding="utf-8"))
    return [directory / name for name in FILES]


def need_new(directory: Path) -> None:
    """Refuse a place where something stands.

    Raises:
        ConfigError: if so.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigError(f"{directory}: is not empty; name a new folder, so that nothing is lost")
