"""Pretrained models, on disk or on the hub."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification

from distilwhy.model_files import ModelFiles


@dataclass(frozen=True)
class Pretrained:
    """A pretrained model that is to become a student.

    Attributes:
        name: As the user gave it.
        without_weights: Build the modules on torch's ``meta`` device and load no weights, to
            check whether the model would do.
    """

    name: str
    files: ModelFiles
    without_weights: bool = False

    def config(self) -> Any:
        return self.files.config()

    def tokenizer(self) -> Any:
        return self.files.tokenizer()

    def model(self, auto_class: Any, config: Any = None) -> Any:
        """The model, as one of transformers' Auto classes; ``config`` replaces its own."""
        return self._load(auto_class, config or self.config())

    def classifier(self, labels: Sequence[str]) -> Any:
        """The model with a head for these labels, in place of a head for others."""
        config = self.config()
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
        return self._load(AutoModelForSequenceClassification, config, ignore_mismatched_sizes=True)

    def fresh(self, auto_class: Any, config: Any) -> Any:
        """A model of this config with random weights."""
        with torch.device("meta" if self.without_weights else "cpu"):
            return auto_class.from_config(config, dtype=torch.float32, trust_remote_code=False)

    def _load(self, auto_class: Any, config: Any, *, ignore_mismatched_sizes: bool = False) -> Any:
        if self.without_weights:
            return self.fresh(auto_class, config)
        model, info = self.files.load(
            auto_class, config, torch.float32, ignore_mismatched_sizes=ignore_mismatched_sizes
        )
        mark_loaded_dtype(model, self.config().dtype)
        replaced = (name for name, *_ in info["mismatched_keys"])
        mark_fresh(model, [*info["missing_keys"], *replaced])
        return model


def mark_fresh(model: Any, names: Iterable[str]) -> None:
    """Record which parameters of a model start at random beside pretrained ones."""
    model.fresh_weights = frozenset(names)


def read_fresh(model: Any) -> frozenset[str]:
    """The names that ``mark_fresh`` recorded."""
    found: frozenset[str] = getattr(model, "fresh_weights", frozenset())
    return found


def mark_loaded_dtype(model: Any, dtype: torch.dtype | None) -> None:
    """Record the precision of a model's pretrained weights; training uses another."""
    model.loaded_dtype = dtype


def save_model(model: Any, folder: Path) -> None:
    """Write a model for transformers, in the precision of its pretrained weights."""
    dtype = getattr(model, "loaded_dtype", None)
    if dtype in (None, model.dtype):
        model.save_pretrained(folder)
        return
    # Weights that are shared stay so.
    narrowed: dict[tuple[int, torch.Size], torch.Tensor] = {}
    state = {
        name: narrowed.setdefault((weight.data_ptr(), weight.shape), weight.to(dtype))
        if weight.is_floating_point()
        else weight
        for name, weight in model.state_dict().items()
    }
    model.save_pretrained(folder, state_dict=state)
    config = copy.deepcopy(model.config)
    config.dtype = dtype
    config.save_pretrained(folder)
