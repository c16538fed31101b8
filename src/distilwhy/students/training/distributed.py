"""Which of the processes that ``torchrun`` or ``accelerate launch`` started this one is."""

import os
from typing import TYPE_CHECKING

from distilwhy.errors import RunError

if TYPE_CHECKING:
    from accelerate import PartialState


def is_main() -> bool:
    """Whether this process is the one that writes; so is a process that runs alone."""
    return int(os.environ.get("RANK", "0")) == 0


def is_alone() -> bool:
    """Whether no other process works with this one."""
    return count_processes() == 1


def count_processes() -> int:
    """How many were started together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def refuse_company() -> None:
    """Let no others into what one process is to do.

    Raises:
        RunError: if this process was started with others.
    """
    if not is_alone():
        raise RunError(
            f"this is one of {count_processes()} processes, and only 'train' can be shared; start "
            "this command alone, and 'train' by torchrun or accelerate launch"
        )


def join_processes() -> "PartialState":
    """This process's place among all; the first call waits until they have found one another."""
    import torch
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    # FSDP's way of reading a model in one process alone would untie the weights that it shares.
    os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    # Without a GPU accelerate leaves each process alone unless it is told to use the CPU.
    wanted = parse_flag_from_env("ACCELERATE_USE_CPU")
    return PartialState(cpu=wanted or not (is_alone() or torch.cuda.is_available()))


def wait_for_all() -> None:
    """Go on when all processes have come to this point."""
    if not is_alone():
        join_processes().wait_for_everyone()
