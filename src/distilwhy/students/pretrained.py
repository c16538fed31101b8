"""A pretrained model, on the disk or the hub."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer


@dataclass(frozen=True)
class Pretrained:
    """A model that transformers can load, or only lay out; no code that comes with it is run.

    Attributes:
        place: Its folder, or its name on the hub.
        is_outline: Whether its weights are left where they are. All its modules are made, on a
            device that holds no numbers: so it can be told whether it would do.
    """

    place: str
    is_outline: bool = False

    def config(self) -> Any:
        """Its config."""
        return AutoConfig.from_pretrained(self.place, trust_remote_code=False)

    def tokenizer(self) -> Any:
        """Its tokenizer."""
        return AutoTokenizer.from_pretrained(self.place, trust_remote_code=False)

    def model(self, kind: Any, config: Any = None) -> Any:
        """The model.

        Args:
            kind: One of transformers' Auto classes.
            config: In the place of its own.
        """
        config = config or self.config()
        if self.is_outline:
            return self.fresh(kind, config)
        return self._load(kind, config)

    def classifier(self, labels: Sequence[str]) -> Any:
        """The model with a head for these labels; one that was made for others is replaced."""
        kind, config = AutoModelForSequenceClassification, self.config()
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
        if self.is_outline:
            return self.fresh(kind, config)
        return self._load(kind, config, ignore_mismatched_sizes=True)

    def fresh(self, kind: Any, config: Any) -> Any:
        """A model of that config with weights of its own, random ones."""
        with torch.device("meta" if self.is_outline else "cpu"):
            return kind.from_config(config, dtype=torch.float32, trust_remote_code=False)

    def _load(self, kind: Any, config: Any, **settings: Any) -> Any:
        model, told = kind.from_pretrained(
            self.place,
            config=config,
            dtype=torch.float32,
            trust_remote_code=False,
            output_loading_info=True,
            **settings,
        )
        replaced = (name for name, *_ in told["mismatched_keys"])
        mark_fresh(model, [*told["missing_keys"], *replaced])
        return model


def mark_fresh(model: Any, names: Iterable[str]) -> None:
    """Note which parameters of a model begin at random, beside others that are pretrained."""
    model.fresh_weights = frozenset(names)


def read_fresh(model: Any) -> frozenset[str]:
    """The names of the parameters that were noted so."""
    found: frozenset[str] = getattr(model, "fresh_weights", frozenset())
    return found
