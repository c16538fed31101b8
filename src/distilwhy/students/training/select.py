"""Picking one of several rationales for each train row."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

import torch

from distilwhy.config import TrainingConfig
from distilwhy.core.method import TrainingRow
from distilwhy.errors import StudentError
from distilwhy.students.batch import to_device
from distilwhy.students.encoding import DrawnRow, Truncator
from distilwhy.students.network import Network
from distilwhy.students.training.distributed import join_processes

# A token that the student ranks lower counts as one of this rank.
LOWEST_RANK = 100


def select_rationales(
    network: Network, rows: Sequence[TrainingRow], config: TrainingConfig, seed: int
) -> list[TrainingRow]:
    """The rows, each with one of its rationales: by ``training.select_rationale``.

    ``random`` draws one. ``student`` takes the one with the lowest rank-surprisal ratio under the
    network, which is not trained yet (Yang et al. 2026, *Which Reasoning Trajectories Teach
    Students to Reason Better?*, arXiv 2601.14249). Over a rationale's tokens, its end included:

        ratio = Σ min(rank, 100) / Σ surprisal

    with surprisal −log p of a token, and rank 1 for the likeliest token.

    Raises:
        StudentError: if ``student`` is asked of a network that starts at random.
    """
    chosen = dict.fromkeys(range(len(rows)), 0)
    several = [index for index, row in enumerate(rows) if row.others]
    if config.select_rationale == "student" and several:
        check_selects(network)
        chosen |= _lowest(network, rows, several, config.batch_size)
    else:
        for index in several:
            random = Random(f"rationale:{seed}:{index}")
            chosen[index] = random.randrange(1 + len(rows[index].others))
    return [
        replace(row, targets=(row.targets, *row.others)[chosen[index]], others=())
        for index, row in enumerate(rows)
    ]


def check_selects(network: Network) -> None:
    """Check that a network says something of a text before it is trained.

    Raises:
        StudentError: if what predicts its rationales starts at random.
    """
    if not network.writes_untrained:
        raise StudentError(
            "training.select_rationale: student asks the untrained student, and this one's "
            "decoder starts at random; use random, or a pretrained decoder or encoder–decoder"
        )


def _lowest(
    network: Network, rows: Sequence[TrainingRow], several: Sequence[int], size: int
) -> dict[int, int]:
    """For each of these rows, the index of the set of targets with the lowest ratio."""
    candidates = [
        (index, which, drawn)
        for index in several
        for which, drawn in enumerate(_candidates(network, rows[index]))
    ]
    # Similar lengths together; each candidate's ratio does not depend on the others'.
    candidates.sort(key=lambda one: one[2].tokens)
    found: dict[int, list[tuple[float, int]]] = {}
    device, was_training = network.device, network.training
    network.to(join_processes().device).eval()
    for start in range(0, len(candidates), size):
        batch = candidates[start : start + size]
        ratios = rank_surprisal_ratios(network, [drawn for _, _, drawn in batch])
        for (index, which, _), ratio in zip(batch, ratios, strict=True):
            found.setdefault(index, []).append((ratio, which))
    network.train(was_training).to(device)
    return {index: min(ratios)[1] for index, ratios in found.items()}


def _candidates(network: Network, row: TrainingRow) -> Iterator[DrawnRow]:
    """The row with each of its rationales alone, which is the last target of its set."""
    encoded = network.encode(row, Truncator(network.spec.config))
    for targets in encoded.variants:
        yield DrawnRow(encoded, targets[-1:])


@torch.inference_mode()
def rank_surprisal_ratios(network: Network, rows: Sequence[DrawnRow]) -> list[float]:
    """The ratio of the one target of each row."""
    made: list[torch.Tensor] = []
    head, pools = network.model.get_output_embeddings(), network.pools
    handle = head.register_forward_hook(lambda layer, given, logits: made.append(logits))
    # Where logits are pooled, they are computed at every position of a target.
    network.pools = True
    try:
        (output,) = network(to_device(network.collate(rows), network.device))
    finally:
        network.pools = pools
        handle.remove()
    order = output.rows.tolist()
    targets = [torch.tensor(rows[index].targets[0].ids) for index in order]
    logits = made[-1].flatten(0, -2).float().cpu()
    parts = torch.split(logits, [len(ids) for ids in targets])
    ratios = [_ratio(part, ids) for part, ids in zip(parts, targets, strict=True)]
    by_row = dict(zip(order, ratios, strict=True))
    return [by_row[index] for index in range(len(rows))]


def _ratio(logits: torch.Tensor, ids: torch.Tensor) -> float:
    """The ratio of one target: logits ``[tokens, vocabulary]``, ids ``[tokens]``."""
    own = logits.gather(1, ids[:, None])
    ranks = 1 + (logits > own).sum(dim=1)
    surprisals = logits.logsumexp(dim=1) - own[:, 0]
    least = torch.finfo(torch.float32).tiny
    return float(ranks.clamp(max=LOWEST_RANK).sum() / surprisals.sum().clamp(min=least))
