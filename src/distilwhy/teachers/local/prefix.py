"""What a model makes of the tokens that its prompts begin with, computed once."""

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

LEAST = 16


class Prefix:
    """The keys and values of the longest start that prompts have in common.

    A batch stands behind it as ``[prefix, padding, rest]``. This means what ``[padding, prompt]``
    means where each layer sees all that came before and positions can be given: not with sliding
    windows, states that are handed on, ALiBi or rotations that change with the length. There it
    does nothing.

    Attributes:
        is_used: Whether it does anything.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._ids: list[int] = []
        self._cache: Any = None
        self.is_used = _takes_positions(model) and not _changes_with_length(model)

    def open(self, prompts: Sequence[list[int]]) -> tuple[int, Cache | None]:
        """How many first tokens are in the cache, and the cache, with a row for each prompt.

        Args:
            prompts: Their ids, one list each; of each at least one id is left out of the cache.
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
        """Whether what is kept is a start of these ids, and no small part of them."""
        kept = len(self._ids)
        return bool(kept) and shared[:kept] == self._ids and len(shared) <= 2 * kept

    def _fill(self, ids: list[int]) -> None:
        cache = DynamicCache(config=self._model.config)
        read = torch.tensor([ids], device=self._model.device)
        # The head is left out: logits of all positions would take more room than all else.
        self._model.base_model(input_ids=read, cache=cache, use_cache=True)
        self.is_used = all(type(layer) is DynamicLayer for layer in cache.layers)
        if self.is_used:
            self._ids, self._cache = ids, cache


def _common(rows: Sequence[list[int]]) -> list[int]:
    """The longest start of all rows: of the first and the last in order, as all are between."""
    first, last = min(rows), max(rows)
    at = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:at]


def _takes_positions(model: Any) -> bool:
    return "position_ids" in inspect.signature(model.forward).parameters


def _changes_with_length(model: Any) -> bool:
    kinds = [str(getattr(module, "rope_type", "")) for module in model.modules()]
    return any("dynamic" in kind or "longrope" in kind for kind in kinds)
