"""Building batches and moving them between devices."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch


def pad(rows: Sequence[Sequence[int]], filler: int, left: bool = False) -> torch.Tensor:
    """Rows of different lengths as one ``[rows, longest]`` tensor."""
    longest = max(map(len, rows))
    padded = np.full((len(rows), longest), filler, dtype=np.int64)
    for to, row in zip(padded, rows, strict=True):
        start = longest - len(row) if left else 0
        to[start : start + len(row)] = row
    return torch.from_numpy(padded)


def to_device(value: Any, device: torch.device) -> Any:
    """A tensor, or a tuple or dataclass that holds some, on a device; anything else as it is."""
    if isinstance(value, torch.Tensor):
        # A copy to a GPU is queued, so that the next ones need not wait for what runs there.
        return value.to(device, non_blocking=device.type == "cuda")
    if isinstance(value, tuple):
        return tuple(to_device(item, device) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        moved = {f.name: to_device(getattr(value, f.name), device) for f in fields(value)}
        return replace(value, **moved)
    return value
