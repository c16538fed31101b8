"""The device and precision of models."""

import ctypes
import gc
import sys
from typing import Any

import torch

CPU_BF16_WIDTH = 384


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
    return "bf16" if device.type == "cpu" and native and width >= CPU_BF16_WIDTH else "fp32"


def release_memory() -> None:
    """Give memory that is no longer used back to the GPU and to the system.

    PyTorch keeps freed blocks of a GPU for itself. On Linux, glibc keeps freed blocks of a heap
    between others that are still used: after tensors of many sizes, a process may hold several
    times what it needs.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none.
        if trim is not None:
            trim(0)
