"""Greedy decoding for students that generate tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from math import exp
from typing import Any

import torch
from transformers import LogitsProcessorList

from distilwhy.core.method import TargetTask
from distilwhy.core.task import Example
from distilwhy.students.families.choosing.label_walk import LabelWalk
from distilwhy.students.families.codec import TargetCodec
from distilwhy.students.families.constrain import AllowedLabels, ConstrainLabels, Margins
from distilwhy.students.network import Generated, naming_row
from distilwhy.students.spec import StudentSpec


@torch.inference_mode()
def generate(
    model: Any,
    codec: TargetCodec,
    spec: StudentSpec,
    task: TargetTask,
    examples: Sequence[Example],
    inputs: Mapping[str, Any],
    start: int,
) -> list[Generated]:
    """What ``model.generate`` writes for each example; a choice is always one of the choices.

    A label's confidence is that of ``ConstrainLabels``.

    Args:
        inputs: The arguments of ``model.generate``, one row for each example.
        start: The index of the first generated token in the ids that it returns.
    """
    config, place = spec.config, spec.method.place
    stops = [codec.end]
    longest = len(codec.prefix) + 1
    allowed: list[AllowedLabels | None] = [None] * len(examples)
    marker: list[int] = []
    if task == "label" or place in ("before", "after"):
        allowed = allowed_labels(codec, spec, examples)
        # Choices are never cut.
        choices = [ids for labels in allowed if labels for ids in labels.choices]
        longest += max([config.max_label_tokens, *map(len, choices)])
        if place == "before":
            marker = codec.label_marker
            longest += config.max_rationale_tokens + len(marker)
        elif place == "after" and task == "label":
            stops.append(codec.rationale_marker[0])
    if task == "rationale" and place != "before":
        longest += config.max_rationale_tokens + len(codec.rationale_marker)
    tries = [labels.trie if labels else None for labels in allowed]
    constraint = ConstrainLabels(
        tries, start, marker, config.max_rationale_tokens, codec.end, stops
    )
    margins = Margins(len(examples), start, stops)
    # Nothing is measured on a rationale that any text may be.
    is_free = task == "rationale" and place not in ("before", "after")
    ids = model.generate(
        **inputs,
        logits_processor=LogitsProcessorList([] if is_free else [constraint, margins]),
        eos_token_id=stops,
        pad_token_id=int(codec.tokenizer.pad_token_id),
        max_new_tokens=longest,
        do_sample=False,
    )
    generated = [
        list(takewhile(lambda token: token not in stops, row[start:].tolist())) for row in ids
    ]
    found = [
        codec.decode(task, spec.method, one, labels.choices if labels else None)
        for one, labels in zip(generated, allowed, strict=True)
    ]
    found = [replace(one, margin=m) for one, m in zip(found, margins.least, strict=True)]
    if task == "rationale":
        return found
    sure = constraint.confidences
    return [replace(one, confidence=c) for one, c in zip(found, sure, strict=True)]


def choices_alone(
    codec: TargetCodec, spec: StudentSpec, task: TargetTask, examples: Sequence[Example]
) -> list[AllowedLabels] | None:
    """Each row's allowed labels, if one of them is all that is asked for, and comes first."""
    if task != "label" or not spec.is_choice or spec.method.place == "before":
        return None
    return [labels for labels in allowed_labels(codec, spec, examples) if labels]


def read_walks(
    walks: Sequence[LabelWalk], allowed: Sequence[AllowedLabels], codec: TargetCodec
) -> list[Generated]:
    """The label that each walk ended at."""
    return [
        Generated(
            codec.choice(walk.ids[:-1], labels.choices),
            confidence=exp(walk.log_probability),
            margin=walk.margin,
        )
        for walk, labels in zip(walks, allowed, strict=True)
    ]


def allowed_labels(
    codec: TargetCodec, spec: StudentSpec, examples: Sequence[Example]
) -> list[AllowedLabels | None]:
    """Each row's allowed labels; None where the answer is not a choice."""
    if not spec.is_choice:
        return [None] * len(examples)
    labels = spec.task.answer.labels
    shared = codec.allowed_labels(spec.method, labels) if labels else None
    found = []
    for example in examples:
        with naming_row(example):
            options = example.options
            found.append(codec.allowed_labels(spec.method, options) if options else shared)
    return found
