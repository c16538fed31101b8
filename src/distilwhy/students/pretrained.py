"""A pretrained model, on the disk or the hub."""

from collections.abc import Sequence
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
        return kind.from_pretrained(
            self.place, config=config, dtype=torch.float32, trust_remote_code=False
        )

    def classifier(self, labels: Sequence[str]) -> Any:
        """The model with a head for these labels; one that was made for others is replaced."""
        kind, config = AutoModelForSequenceClassification, self.config()
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
        if self.is_outline:
            return self.fresh(kind, config)
        return kind.from_pretrained(
            self.place,
            config=config,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            trust_remote_code=False,
        )

    def fresh(self, kind: Any, config: Any) -> Any:
        """A model of that config with weights of its own, random ones."""
        with torch.device("meta" if self.is_outline else "cpu"):
            return kind.from_config(config, dtype=torch.float32, trust_remote_code=False)
