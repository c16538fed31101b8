"""What a training logs, told to experiment trackers as it happens.

Accelerate's trackers are driven, and not the callbacks of transformers behind a Trainer's
``report_to``: those take TrainingArguments, which reset the state of the accelerator that a loop
beside a Trainer trains with, and they leave a run of W&B open, so that the next student would log
into it.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from typing import Any

from filelock import FileLock

from distilwhy.errors import ConfigError, StudentError
from distilwhy.students.training.distributed import is_main

INSTALL = {
    "tensorboard": "'distilwhy[track]'",
    "trackio": "trackio",
    "wandb": "wandb",
    "mlflow": "mlflow",
}
Log = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Tracked:
    """A training as trackers are to show it.

    Attributes:
        trackers: Which.
        project: What they file it under.
        name: What they call it.
        folder: Where those that keep files keep them.
        settings: How it is trained.
    """

    trackers: Sequence[str]
    project: str
    name: str
    folder: Path
    settings: Mapping[str, str | int | float]


def check_trackers(names: Sequence[str]) -> None:
    """See that trackers are installed; none is imported.

    Raises:
        ConfigError: naming what to install.
    """
    for name in names:
        if find_spec(name) is None:
            raise ConfigError(
                f"training.report_to: {name!r} is not installed; pip install {INSTALL[name]}, or "
                "take it out"
            )


UNTRACKED = Tracked((), "", "", Path(), {})


@contextmanager
def open_trackers(tracked: Tracked, begun: int, checkpoint: Path) -> Iterator[Log]:
    """Give what tells every tracker some values of a step; the main process alone tells any.

    Args:
        begun: The steps whose values were told: after none a new run is opened, else the one
            that a killed training left.
        checkpoint: The folder where that run is remembered.

    Raises:
        StudentError: if a tracker cannot be opened.
    """
    trackers: list[Any] = []

    def log(step: int, values: dict[str, float]) -> None:
        for tracker in trackers:
            tracker.log(values, step=step)

    try:
        for name in tracked.trackers if is_main() else ():
            trackers.append(_open(name, tracked, begun, checkpoint / f"{name}.run"))
        yield log
    finally:
        for tracker in trackers:
            with redirect_stdout(sys.stderr):
                tracker.finish()


def _open(name: str, tracked: Tracked, begun: int, memory: Path) -> Any:
    """One of accelerate's trackers, with its run open and the run's id remembered."""
    left = memory.read_text() if begun and memory.is_file() else None
    tracker = _make(name, tracked, begun, left)
    tracked.folder.mkdir(parents=True, exist_ok=True)
    try:
        # What a tracker prints is no result. Of students side by side, one makes the project that
        # all are filed under.
        with redirect_stdout(sys.stderr), FileLock(tracked.folder / ".lock"):
            tracker.start()
            if not begun:
                _tell_settings(tracker, tracked.settings)
    except Exception as error:
        said = str(error).strip().split("\n")[0] or type(error).__name__
        raise StudentError(
            f"training.report_to: {name!r} cannot be opened ({said}); mend that, or take it out"
        ) from error
    if name in ("wandb", "mlflow"):
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(tracker.tracker.id if name == "wandb" else tracker.tracker.info.run_id)
    return tracker


def _make(name: str, tracked: Tracked, begun: int, left: str | None) -> Any:
    """A tracker whose run is not open yet.

    Args:
        left: The id of the run to go on with.
    """
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    kind, run = LOGGER_TYPE_TO_CLASS[name], tracked.name
    if name == "tensorboard":
        if not begun:
            rmtree(tracked.folder / run, ignore_errors=True)
        return kind(run, tracked.folder, purge_step=begun + 1 if begun else None)
    if name == "wandb":
        return kind(tracked.project, name=run, id=left, resume="allow", dir=str(tracked.folder))
    if name == "trackio":
        return kind(tracked.project, name=run, resume="allow" if begun else "never")
    return kind(tracked.project, run_name=run, run_id=left)


def _tell_settings(tracker: Any, settings: Mapping[str, str | int | float]) -> None:
    if tracker.name == "tensorboard":
        # Its own way of keeping settings is a second run beside the first.
        lines = "\n".join(f"| {key} | {value} |" for key, value in settings.items())
        tracker.log({"settings": f"| setting | value |\n| --- | --- |\n{lines}"}, step=0)
    else:
        tracker.store_init_configuration(dict(settings))
