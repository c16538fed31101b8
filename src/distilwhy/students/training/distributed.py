"""This process among those that ``torchrun`` or ``accelerate launch`` started."""

import os
from typing import TYPE_CHECKING

from distilwhy.errors import RunError

if TYPE_CHECKING:
    from accelerate import PartialState


def is_main() -> bool:
    """Whether this process is the one that writes; a single process is."""
    return int(os.environ.get("RANK", "0")) == 0


def is_alone() -> bool:
    """Whether this is a single process."""
    return count_processes() == 1


def count_processes() -> int:
    """How many processes were started together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def require_single_process() -> None:
    """Raise a ``RunError`` if another process was started with this one."""
    if not is_alone():
        raise RunError(
            f"this is one of {count_processes()} processes, and only 'train' can be shared; start "
            "this command alone, and 'train' by torchrun or accelerate launch"
        )


def join_processes() -> "PartialState":
    """This process's state among all. The first call waits until they are connected."""
    import torch
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    # If only one process loaded the weights, FSDP would untie those that are shared.
    os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    # Without a GPU, accelerate connects the processes only if asked to use the CPU.
    wanted = parse_flag_from_env("ACCELERATE_USE_CPU")
    return PartialState(cpu=wanted or not (is_alone() or torch.cuda.is_available()))


def wait_for_all() -> None:
    """Wait until all processes reach this point."""
    if not is_alone():
        join_processes().wait_for_everyone()
