"""What commands run in: progress on the terminal, Ctrl-C, a notice when one is slow."""

import gc
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import typer

from distilwhy.cli.output import print_notice
from distilwhy.core.wording import counted
from distilwhy.students.training.distributed import is_main

if TYPE_CHECKING:
    from distilwhy.cli.progress import ProgressDisplay
    from distilwhy.core.stats.comparisons import OutcomeCounts
    from distilwhy.pipeline.experiment import Experiment

SLOW_AFTER_S = 3.0
LEFT_FAILED = 3
RUN_AGAIN = "Run the same command again"


_unsaid: list[str] = []  # how to go on, while a command runs that has to say so if interrupted


@contextmanager
def interruptible(resume: str = RUN_AGAIN) -> Iterator[None]:
    """Make Ctrl-C end the command with exit status 130 and a line: ``resume`` to go on."""
    _unsaid[:] = [resume]
    try:
        yield
    except KeyboardInterrupt:
        # Pressed again, it would cut the line, or come before it is ignored.
        before = None
        while before is None:
            try:
                before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            except KeyboardInterrupt:
                continue
        say_stopped()
        signal.signal(signal.SIGINT, before)
        raise typer.Exit(130) from None
    _unsaid.clear()


def say_stopped() -> None:
    """Print how to go on, unless that is said already."""
    if _unsaid and is_main():
        print_notice(f"\nStopped. {_unsaid[0]} to go on.")
    _unsaid.clear()


@contextmanager
def without_collection() -> Iterator[None]:
    """Within the context, which imports torch, cyclic garbage is not collected.

    Imports allocate much and free little. Collections among so many objects take a fifth of the
    time that importing torch and transformers takes.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def exit_if_failed(experiment: "Experiment", counts: Mapping[str, "OutcomeCounts"]) -> None:
    """Exit with status 3 and a message if rows are left failed.

    Missing recorded completions do not count, since no run can add them.
    """
    failed = sum(found.outcomes["failed"] for found in counts.values())
    if failed and not experiment.config.teacher.is_recorded:
        option = experiment.teacher_option
        print_notice(
            f"{counted(failed, 'row')} failed. Run 'distilwhy annotate{option}' again to ask about "
            f"them again, or see 'distilwhy annotations{option} --problem failed'."
        )
        raise typer.Exit(LEFT_FAILED)


@contextmanager
def showing_progress(resume: str = RUN_AGAIN) -> Iterator["ProgressDisplay"]:
    """Show the command's progress; also makes it ``interruptible``."""
    from distilwhy.cli.progress import ProgressDisplay

    with interruptible(resume), ProgressDisplay() as progress:
        yield progress


@contextmanager
def notice_if_slow(notice: str) -> Iterator[None]:
    """Print a line to stderr if the block takes longer than ``SLOW_AFTER_S``."""
    timer = Timer(SLOW_AFTER_S, partial(print_notice, notice))
    timer.daemon = True
    if is_main():
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def open_experiment(file: Path, teacher: str | None = None) -> "Experiment":
    """Open an experiment file, with a notice if reading its rows is slow.

    Args:
        teacher: A teacher of the study; None for that of the ``teacher`` section.
    """
    from distilwhy.pipeline.experiment import open_experiment

    with notice_if_slow(f"{file}: reading the rows; the first time, many rows take a while"):
        experiment = open_experiment(file)
    return experiment if teacher is None else experiment.of_teacher(teacher)
