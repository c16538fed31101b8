"""Which of the processes that ``torchrun`` or ``accelerate launch`` started this one is."""

import os


def is_main() -> bool:
    """Whether this process is the one that writes; so is a process that runs alone."""
    return int(os.environ.get("RANK", "0")) == 0


def is_alone() -> bool:
    """Whether no other process trains with this one."""
    return int(os.environ.get("WORLD_SIZE", "1")) == 1


def wait_for_all() -> None:
    """Go on when all processes have come to this point."""
    if not is_alone():
        from accelerate import PartialState

        PartialState().wait_for_everyone()
