"""Choosing among the labels of a row along their prefix tree."""

from math import inf

import torch

from distilwhy.students.families.constrain import Trie


class LabelWalk:
    """Greedy decoding along the prefix tree of a row's labels.

    Where one token alone may follow, it is taken without a model. So a model is asked only where
    labels branch, and not at all about the rest of a label that one token has decided.

    Attributes:
        ids: The tokens so far.
        margin: The least difference between the logits of a token that was taken and of the best
            other one; infinite where nothing was to choose.
        log_probability: Of the tokens that were taken, each among those that might follow.
    """

    def __init__(self, trie: Trie) -> None:
        self.ids: list[int] = []
        self.margin, self.log_probability = inf, 0.0
        self._node = trie
        self._follow()

    @property
    def is_done(self) -> bool:
        """Whether the label is complete; its end is the last of the tokens."""
        return not self._node

    def choose(self, logits: torch.Tensor) -> None:
        """Take the best of the tokens that may follow.

        Args:
            logits: ``[vocabulary]``: of the next token.
        """
        tokens = sorted(self._node)
        found = logits[tokens].double()
        (best, other), (at, _) = found.topk(2)
        self.margin = min(self.margin, float(best - other))
        self.log_probability += float(found.log_softmax(dim=-1)[at])
        self._take(tokens[int(at)])
        self._follow()

    def _follow(self) -> None:
        while len(self._node) == 1:
            self._take(*self._node)

    def _take(self, token: int) -> None:
        self.ids.append(token)
        self._node = self._node[token]
