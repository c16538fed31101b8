"""A cache of the keys and values of the tokens that prompts begin with."""

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

LEAST = 16
# Keys and values are copied once for so many tokens.
_ROOM = 64


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values with room for more behind them: to add a token copies no others.

    They are views, ``[rows, heads, tokens, width]``, of tensors with more tokens, which their
    strides tell.
    """

    keys: torch.Tensor
    values: torch.Tensor

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **more: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            return super().update(key_states, value_states)  # type: ignore[no-any-return]
        self.keys = _append(self.keys, key_states)
        self.values = _append(self.values, value_states)
        return self.keys, self.values


def _append(kept: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    """``torch.cat([kept, new], dim=-2)``, in the room behind what is kept if that is enough."""
    rows, heads, before, width = kept.shape
    after = before + new.shape[-2]
    has_room = kept.stride(-1) == 1 and kept.stride(-2) == width
    if not has_room or kept.stride(0) != heads * kept.stride(1) or kept.stride(1) < after * width:
        room = kept.new_empty(rows, heads, after + _ROOM, width)
        room[:, :, :before] = kept
        kept = room
    grown = kept.as_strided((rows, heads, after, width), kept.stride(), kept.storage_offset())
    grown[:, :, before:] = new
    return grown


class Prefix:
    """The keys and values of the longest common prefix of prompts, computed once.

    A batch is laid out as ``[prefix, padding, rest]``. This equals ``[padding, prompt]`` if every
    layer sees all earlier tokens and positions can be given. It does not with sliding windows,
    recurrent states, ALiBi or rotations that depend on the length; there nothing is cached.

    Attributes:
        is_used: Whether anything is cached.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._ids: list[int] = []
        self._cache: Any = None
        kinds = [str(getattr(module, "rope_type", "")) for module in model.modules()]
        changes_with_length = any("dynamic" in kind or "longrope" in kind for kind in kinds)
        takes_positions = "position_ids" in inspect.signature(model.forward).parameters
        self.is_used = takes_positions and not changes_with_length

    def open(self, prompts: Sequence[list[int]]) -> tuple[int, Cache | None]:
        """The number of cached tokens, and the cache with a row for each prompt.

        At least the last token of each prompt is not cached.
        """
        shared = _common([prompt[:-1] for prompt in prompts])
        if not self._serves(shared) and self.is_used and len(prompts) > 1 and len(shared) >= LEAST:
            self._fill(shared)
        if not self.is_used or not self._serves(shared):
            return 0, None
        cache = copy.deepcopy(self._cache)
        cache.batch_repeat_interleave(len(prompts))
        return len(self._ids), cache

    def _serves(self, shared: list[int]) -> bool:
        """Whether the cached ids are a prefix of these, and at least half as long."""
        kept = len(self._ids)
        return bool(kept) and shared[:kept] == self._ids and len(shared) <= 2 * kept

    def _fill(self, ids: list[int]) -> None:
        cache = DynamicCache(config=self._model.config)
        read = torch.tensor([ids], device=self._model.device)
        # Without the head: the logits of all positions would take the most memory.
        self._model.base_model(input_ids=read, cache=cache, use_cache=True)
        self.is_used = all(type(layer) is DynamicLayer for layer in cache.layers)
        if self.is_used:
            for at, layer in enumerate(cache.layers):
                cache.layers[at] = RoomyLayer()
                cache.layers[at].update(layer.keys, layer.values)
            self._ids, self._cache = ids, cache


def _common(rows: Sequence[list[int]]) -> list[int]:
    """The longest common prefix of all rows: that of the first and the last in sorted order."""
    first, last = min(rows), max(rows)
    at = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:at]
