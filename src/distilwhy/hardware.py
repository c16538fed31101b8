"""The device and precision of models."""

import ctypes
import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

# From this hidden size on, models gain from bf16 on a CPU, and from faster operations.
CPU_WIDE = 384
# Parameters of glibc's mallopt, and values for them: the most bytes that it takes, and the most
# that it would itself come to use for large blocks.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT, _GIVEN_BACK = 2**31 - 1, 2**25

_lock, _keeping = threading.Lock(), 0


def choose_device() -> torch.device:
    """A GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def choose_precision(wanted: str, device: torch.device, width: int) -> str:
    """``fp32``, ``bf16`` or ``fp16``. ``auto`` is bf16 if the hardware supports it natively.

    On a CPU only wide models gain from bf16 (see ``benchmarks/train_speed.py``).

    Args:
        width: The model's hidden size.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    native = found.get("avx512_bf16") or found.get("amx_bf16")
    return "bf16" if device.type == "cpu" and native and width >= CPU_WIDE else "fp32"


def release_memory() -> None:
    """Give memory that is no longer used back to the GPU and to the system.

    PyTorch keeps freed blocks of a GPU for itself. On Linux, glibc keeps freed blocks of a heap
    between others that are still used: after tensors of many sizes, a process may hold several
    times what it needs.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if trim := _glibc("malloc_trim"):
        trim(0)


@contextmanager
def keeping_heap() -> Iterator[None]:
    """Within the context, memory that is freed stays with the process, for the next allocation.

    By default glibc gives large blocks back to the system at once. Getting them again, page by
    page, takes a tenth of the time of a training step. Where contexts overlap, in one thread or
    several, memory is kept until the last ends.
    """
    _keep(1)
    try:
        yield
    finally:
        _keep(-1)


def _keep(more: int) -> None:
    """Count the contexts in which memory is kept."""
    global _keeping
    with _lock:
        before, _keeping = _keeping, _keeping + more
        tune = _glibc("mallopt")
        if tune is not None and not (before and _keeping):
            tune(_MMAP_THRESHOLD, _KEPT if _keeping else _GIVEN_BACK)
            tune(_TRIM_THRESHOLD, _KEPT if _keeping else 2 * _GIVEN_BACK)


def _glibc(name: str) -> Any:
    """A function of glibc; None where there is none, as with musl and outside Linux."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
