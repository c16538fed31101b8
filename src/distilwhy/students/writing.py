"""Greedy decoding for students that write token by token."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import LogitsProcessorList

from distilwhy.core.method import TargetTask
from distilwhy.core.task import Example
from distilwhy.students.constrain import Constrained, Trie
from distilwhy.students.network import Brief, Spelling, Written


@torch.inference_mode()
def write(
    model: Any,
    spelling: Spelling,
    brief: Brief,
    task: TargetTask,
    examples: Sequence[Example],
    inputs: Mapping[str, torch.Tensor],
    start: int,
) -> list[Written]:
    """What ``model.generate`` writes for each example, a choice being one of its choices.

    Args:
        inputs: What ``generate`` is given, a row for each example.
        start: Where in the ids that come back the student began to write.
    """
    limits = brief.limits
    stops = [spelling.end]
    longest = len(spelling.lead) + 1
    tries: list[Trie | None] = [None] * len(examples)
    marker: list[int] = []
    if task == "label" or brief.method.place in ("before", "after"):
        lead, end = spelling.lead, spelling.end
        longest += _longest_label(spelling, brief, examples)
        if brief.method.place == "before":
            lead, marker = [], spelling.label
            longest += limits.max_rationale_tokens + len(marker)
        elif brief.method.place == "after":
            end = spelling.rationale[0]
            if task == "label":
                stops.append(end)
        tries = _tries(spelling, brief, examples, lead, end)
    if task == "rationale" and brief.method.place != "before":
        longest += limits.max_rationale_tokens + len(spelling.rationale)
    ids = model.generate(
        **inputs,
        logits_processor=LogitsProcessorList(
            [Constrained(tries, start, marker, limits.max_rationale_tokens, spelling.end)]
        ),
        eos_token_id=stops,
        pad_token_id=int(spelling.tokenizer.pad_token_id),
        max_new_tokens=longest,
        do_sample=False,
    )
    return [spelling.read(task, brief.method, _until(row[start:].tolist(), stops)) for row in ids]


def _until(ids: list[int], stops: Sequence[int]) -> list[int]:
    """The ids before the first that ends them."""
    for at, token in enumerate(ids):
        if token in stops:
            return ids[:at]
    return ids


def _tries(
    spelling: Spelling, brief: Brief, examples: Sequence[Example], lead: list[int], end: int
) -> list[Trie | None]:
    """What each row's label may be; None where that is not a choice."""
    answer = brief.task.answer
    if answer.kind != "choice":
        return [None] * len(examples)
    shared = spelling.trie(answer.labels, lead, end) if answer.labels else None
    return [
        spelling.trie(example.options, lead, end) if example.options else shared
        for example in examples
    ]


def _longest_label(spelling: Spelling, brief: Brief, examples: Sequence[Example]) -> int:
    """The most ids that a label may have; a choice is written whole, or it would be none."""
    answer = brief.task.answer
    choices = {choice for example in examples for choice in answer.choices(example.options)}
    return max([brief.limits.max_label_tokens, *(len(spelling.ids(c)) for c in choices)])
