"""Greedy decoding for students that write token by token."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import LogitsProcessorList

from distilwhy.core.method import TargetTask
from distilwhy.core.task import Example
from distilwhy.students.families.codec import TargetCodec
from distilwhy.students.families.constrain import AllowedLabels, Constrained
from distilwhy.students.network import StudentSpec, Written, naming


@torch.inference_mode()
def write(
    model: Any,
    spelling: TargetCodec,
    brief: StudentSpec,
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
    menus: list[AllowedLabels | None] = [None] * len(examples)
    marker: list[int] = []
    if task == "label" or brief.method.place in ("before", "after"):
        menus = _menus(spelling, brief, examples)
        longest += _longest_label(brief, menus)
        if brief.method.place == "before":
            marker = spelling.label
            longest += limits.max_rationale_tokens + len(marker)
        elif brief.method.place == "after" and task == "label":
            stops.append(spelling.rationale[0])
    if task == "rationale" and brief.method.place != "before":
        longest += limits.max_rationale_tokens + len(spelling.rationale)
    tries = [menu.trie if menu else None for menu in menus]
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
    written = [_until(row[start:].tolist(), stops) for row in ids]
    return [
        spelling.read(task, brief.method, one, menu.choices if menu else None)
        for one, menu in zip(written, menus, strict=True)
    ]


def _until(ids: list[int], stops: Sequence[int]) -> list[int]:
    """The ids before the first that ends them."""
    for at, token in enumerate(ids):
        if token in stops:
            return ids[:at]
    return ids


def _menus(
    spelling: TargetCodec, brief: StudentSpec, examples: Sequence[Example]
) -> list[AllowedLabels | None]:
    """What each row's label may be; None where that is not a choice."""
    if not brief.chooses:
        return [None] * len(examples)
    labels = brief.task.answer.labels
    shared = spelling.menu(brief.method, labels) if labels else None
    found = []
    for example in examples:
        with naming(example):
            own = spelling.menu(brief.method, example.options) if example.options else shared
        found.append(own)
    return found


def _longest_label(brief: StudentSpec, menus: Sequence[AllowedLabels | None]) -> int:
    """The most ids that a label may have; a choice is written whole, or it would be none."""
    choices = [ids for menu in menus if menu for ids in menu.choices]
    return max([brief.limits.max_label_tokens, *map(len, choices)])
