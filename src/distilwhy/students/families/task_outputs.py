"""The losses of targets that a language model predicts."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from distilwhy.students.families.target_batch import TargetBatch
from distilwhy.students.linear_cross_entropy import is_large
from distilwhy.students.logits import (
    TaskOutput,
    hidden_at,
    linear_losses,
    logits_at,
    pooled_logits,
    target_losses,
)


def task_outputs(
    model: Any,
    run: Callable[[], Any],
    positions: Sequence[torch.Tensor],
    targets: Sequence[TargetBatch],
    *,
    pools: bool,
    returns_head: Callable[[], bool],
) -> list[TaskOutput]:
    """The output for each batch of targets, from one run of a model.

    Logits that are many are never held all at once, unless they are pooled or the model changes
    those of its output layer.

    Args:
        run: Runs the model.
        positions: An index into ``[sequences, length]``: where the labels are predicted, those of
            the first batch first.
        returns_head: Whether the model returns the logits of its output layer unchanged.
    """
    sizes = [len(batch.labels.ids) for batch in targets]
    head = model.get_output_embeddings()
    is_many = is_large(sum(sizes), model.get_input_embeddings().num_embeddings)
    if not is_many or pools or not returns_head():
        with logits_at(model, *positions):
            logits = run().logits[0]
        parts: Sequence[torch.Tensor] = logits.split(sizes)
        return [
            batch.output(
                target_losses(part, batch.labels, batch.temperatures),
                pooled_logits(part, batch.labels) if pools else None,
            )
            for batch, part in zip(targets, parts, strict=True)
        ]
    with hidden_at(model, *positions) as found:
        run()
    predicted = [(batch.labels, batch.temperatures) for batch in targets]
    losses = linear_losses(found[0], head.weight, head.bias, predicted)
    return [batch.output(one, None) for batch, one in zip(targets, losses, strict=True)]
