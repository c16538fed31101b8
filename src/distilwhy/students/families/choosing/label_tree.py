"""The labels of each row behind its prompt, as a tree that a decoder reads in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch.nn import functional

from distilwhy.students.batch import pad
from distilwhy.students.families.constrain import Trie

Ids = tuple[int, ...]


@dataclass(frozen=True)
class LabelTree:
    """What a decoder must read of some labels to choose among them.

    Attributes:
        branchings: The token sequences after which more than one token may follow.
        nodes: All starts of these sequences but the empty one, shorter ones first. The decoder
            reads the last token of each behind the others of its sequence.
    """

    branchings: list[Ids]
    nodes: list[Ids]

    @classmethod
    def of(cls, trie: Trie) -> Self:
        """The tree of the labels in a prefix tree."""
        found = list[Ids]()
        open_nodes: list[tuple[Ids, Trie]] = [((), trie)]
        for ids, node in open_nodes:
            if len(node) > 1:
                found.append(ids)
            open_nodes += [((*ids, token), child) for token, child in node.items()]
        starts = {ids[:length] for ids in found for length in range(1, len(ids) + 1)}
        return cls(found, sorted(starts, key=lambda ids: (len(ids), ids)))

    def offset(self, ids: Ids) -> int:
        """How far behind the end of the prompt the last token of a sequence stands."""
        return self.nodes.index(ids) + 1 if ids else 0

    def sees(self) -> list[list[bool]]:
        """Whether each node attends to each: to the starts of its sequence, and to itself."""
        return [[node[: len(other)] == other for other in self.nodes] for node in self.nodes]


@dataclass(frozen=True)
class TreeBatch:
    """Prompts, each with a tree behind it; all but the last two are ``[rows, length]``.

    Attributes:
        mask: ``[rows, 1, length, before + length]``: added to attention; None if it is causal.
        positions: A node's is that which it would have behind the prompt with its start alone.
        rows, columns: Where the token after each branching is predicted, row by row.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor | None
    rows: torch.Tensor
    columns: torch.Tensor


def pack_trees(
    prompts: Sequence[list[int]],
    trees: Sequence[LabelTree],
    filler: int,
    dtype: torch.dtype,
    before: int = 0,
) -> TreeBatch:
    """Prompts with their trees as padded tensors.

    Args:
        filler: The padding token.
        before: How many cached tokens come before each prompt, which all that follows sees.
    """
    both = list(zip(prompts, trees, strict=True))
    ids = pad([[*prompt, *(node[-1] for node in tree.nodes)] for prompt, tree in both], filler)
    depths = [[len(prompt) - 1 + len(node) for node in tree.nodes] for prompt, tree in both]
    places = [
        (row, len(prompt) - 1 + tree.offset(branching))
        for row, (prompt, tree) in enumerate(both)
        for branching in tree.branchings
    ]
    rows, columns = torch.tensor(places).T
    return TreeBatch(
        ids,
        pad([[*range(len(prompts[row])), *found] for row, found in enumerate(depths)], 0) + before,
        functional.pad(_tree_mask(both, ids.shape[1], dtype), (before, 0))
        if any(tree.nodes for tree in trees)
        else None,
        rows,
        columns,
    )


def _tree_mask(
    both: Sequence[tuple[list[int], LabelTree]], length: int, dtype: torch.dtype
) -> torch.Tensor:
    """Causal attention within the prompts; nodes see their prompt and their own start."""
    seen = torch.ones(length, length, dtype=torch.bool).tril().repeat(len(both), 1, 1)
    for row, (prompt, tree) in enumerate(both):
        if tree.nodes:
            start, end = len(prompt), len(prompt) + len(tree.nodes)
            seen[row, start:end, start:end] = torch.tensor(tree.sees())
    mask = torch.zeros(seen.shape, dtype=dtype)
    return mask.masked_fill(~seen, torch.finfo(dtype).min)[:, None]
