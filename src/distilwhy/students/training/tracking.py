"""Logging a training to experiment trackers.

Uses accelerate's trackers rather than the callbacks of transformers. Those need
TrainingArguments, which reset the state of the accelerator that trains, and they leave a W&B run
open, so that the next student would log into it.
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
class TrackedRun:
    """A training as a run of experiment trackers.

    Attributes:
        folder: Where trackers that write files write them.
        settings: The hyperparameters to show.
    """

    trackers: Sequence[str]
    project: str
    name: str
    folder: Path
    settings: Mapping[str, str | int | float]


UNTRACKED = TrackedRun((), "", "", Path(), {})


def check_trackers(names: Sequence[str]) -> None:
    """Check that trackers are installed, without importing them.

    Raises:
        ConfigError: naming what to install.
    """
    for name in names:
        if find_spec(name) is None:
            raise ConfigError(
                f"training.report_to: {name!r} is not installed; pip install {INSTALL[name]}, or "
                "remove it"
            )


@contextmanager
def open_trackers(tracked: TrackedRun, done: int, checkpoint: Path) -> Iterator[Log]:
    """Open the trackers, and yield a function that logs the values of a step to all of them.

    Only the main process logs anything.

    Args:
        done: The steps already logged. 0 starts a new run; otherwise the interrupted one resumes.
        checkpoint: The folder that remembers the run's id.

    Raises:
        StudentError: if a tracker cannot be opened.
    """
    trackers: list[Any] = []

    def log(step: int, values: dict[str, float]) -> None:
        for tracker in trackers:
            tracker.log(values, step=step)

    try:
        for name in tracked.trackers if is_main() else ():
            trackers.append(_open(name, tracked, done, checkpoint / f"{name}.run"))
        yield log
    finally:
        for tracker in trackers:
            with redirect_stdout(sys.stderr):
                tracker.finish()


def make_tracker(name: str, tracked: TrackedRun, done: int, run_id: str | None) -> Any:
    """One of accelerate's trackers, not started yet; ``run_id`` is the run to resume."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    tracker_class, run = LOGGER_TYPE_TO_CLASS[name], tracked.name
    if name == "tensorboard":
        if not done:
            rmtree(tracked.folder / run, ignore_errors=True)
        return tracker_class(run, tracked.folder, purge_step=done + 1 if done else None)
    if name == "wandb":
        return tracker_class(
            tracked.project, name=run, id=run_id, resume="allow", dir=str(tracked.folder)
        )
    if name == "trackio":
        return tracker_class(tracked.project, name=run, resume="allow" if done else "never")
    return tracker_class(tracked.project, run_name=run, run_id=run_id)


def _open(name: str, tracked: TrackedRun, done: int, id_file: Path) -> Any:
    """A started tracker, whose run id is written to ``id_file``."""
    run_id = id_file.read_text() if done and id_file.is_file() else None
    tracker = make_tracker(name, tracked, done, run_id)
    tracked.folder.mkdir(parents=True, exist_ok=True)
    try:
        # Trackers print to standard output, which is for results. The lock lets one of several
        # students that train side by side create their project.
        with redirect_stdout(sys.stderr), FileLock(tracked.folder / ".lock"):
            tracker.start()
            if not done:
                _log_settings(tracker, tracked.settings)
    except Exception as error:
        message = str(error).strip().split("\n")[0] or type(error).__name__
        raise StudentError(
            f"training.report_to: {name!r} cannot be opened ({message}); fix that, or remove it"
        ) from error
    if name in ("wandb", "mlflow"):
        id_file.parent.mkdir(parents=True, exist_ok=True)
        id_file.write_text(tracker.tracker.id if name == "wandb" else tracker.tracker.info.run_id)
    return tracker


def _log_settings(tracker: Any, settings: Mapping[str, str | int | float]) -> None:
    if tracker.name == "tensorboard":
        # TensorBoard's own hyperparameters would add a second run beside the first.
        lines = "\n".join(f"| {key} | {value} |" for key, value in settings.items())
        tracker.log({"settings": f"| setting | value |\n| --- | --- |\n{lines}"}, step=0)
    else:
        tracker.store_init_configuration(dict(settings))
