"""The device and precision of models."""

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
