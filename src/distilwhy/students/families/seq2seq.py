"""Encoder–decoder students: T5, Flan-T5, mT5, BART, a warm-started encoder, or a small T5.

One pass over the source serves both tasks: the encoder runs once, and the decoder's first token
names the task. A decoder with relative positions, such as T5's, reads both targets of a source in
one pass too. The label starts with the model's own start token, so that plain ``generate`` on a
saved student answers with the label; the rationale starts with ``<rationale>``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from transformers import EncoderDecoderModel, GenerationConfig
from transformers.modeling_outputs import BaseModelOutput

from distilwhy.config import StudentConfig
from distilwhy.core.method import Target, TargetTask
from distilwhy.core.task import Example
from distilwhy.students.batch import pad
from distilwhy.students.encoding import TASKS, DrawnRow, EncodedTarget, Truncator
from distilwhy.students.families.choosing.label_walk import LabelWalk
from distilwhy.students.families.codec import TargetCodec, max_label_tokens
from distilwhy.students.families.generate import choices_alone, generate, read_walks
from distilwhy.students.families.prefix_sharing import (
    PackedBatch,
    SharedPrompt,
    can_share,
    pack,
    segment_mask,
    share_prompts,
)
from distilwhy.students.families.task_outputs import task_outputs
from distilwhy.students.families.tokenizer import LABEL_TOKEN, RATIONALE_TOKEN
from distilwhy.students.logits import TaskOutput, logits_at, returns_head
from distilwhy.students.network import Generated, Network, Shape, check_positions, read_shape
from distilwhy.students.plain_code import seq2seq_code
from distilwhy.students.spec import StudentSpec

_SPACED_POINT = re.compile(r"(?<=\d)\s*\.\s+(?=\d)")


@dataclass(frozen=True)
class DecoderPass:
    """Targets that the decoder reads in one pass.

    Attributes:
        sources: ``[sequences]``: the source of each of its sequences; None if they are all sources
            in order.
        packed: The sequences, with one target or more each and no prompt.
    """

    sources: torch.Tensor | None
    packed: PackedBatch


@dataclass(frozen=True)
class Seq2SeqBatch:
    """The sources of one step and their targets.

    Attributes:
        source: ``[sources, length]``: the encoder's input ids.
        mask: ``[sources, length]``: 1 for tokens, 0 for padding.
        passes: Those of the decoder.
    """

    source: torch.Tensor
    mask: torch.Tensor
    passes: tuple[DecoderPass, ...]


class Seq2SeqNetwork(Network):
    """An encoder–decoder that writes labels and rationales."""

    family = "seq2seq"

    def __init__(self, model: Any, tokenizer: Any, spec: StudentSpec) -> None:
        _prepare(model, tokenizer, spec.config)
        super().__init__(model, tokenizer, spec)
        self._start = int(model.config.decoder_start_token_id)
        label, rationale = tokenizer.convert_tokens_to_ids([LABEL_TOKEN, RATIONALE_TOKEN])
        prefix = _target_prefix(tokenizer, self._start)
        self.codec = TargetCodec(tokenizer, prefix, "", [int(label)], [int(rationale)])
        _check_lengths(model, self.codec, spec, spec.config.max_label_tokens)
        self.check_choices(spec.task.answer.labels)

    @property
    def writes_untrained(self) -> bool:
        return super().writes_untrained and not isinstance(self.model, EncoderDecoderModel)

    @property
    def shape(self) -> Shape:
        config = self.model.config
        if not isinstance(self.model, EncoderDecoderModel):
            return read_shape(config)
        encoder, decoder = read_shape(config.encoder), read_shape(config.decoder)
        return replace(decoder, layers=encoder.layers + decoder.layers)

    def encode_source(
        self, text: str, task: TargetTask, options: Sequence[list[int]], truncator: Truncator
    ) -> list[int]:
        ids = self.text_encoder.ids(self.spec.source(text, task), add_special_tokens=True)
        return truncator.cut("input", ids, end=1)

    def encode_target(
        self, target: Target, options: tuple[str, ...], truncator: Truncator
    ) -> EncodedTarget:
        ids = self.codec.encode(target, truncator, is_choice=self.spec.is_choice)
        return self.with_ids(target, [self.decoder_start(target.task)], ids)

    def collate(self, rows: Sequence[DrawnRow]) -> Seq2SeqBatch:
        filler = int(self.tokenizer.pad_token_id)
        found = share_prompts(rows)
        sources = [one.prompt for one in found]
        mask = pad([[1] * len(source) for source in sources], 0)
        return Seq2SeqBatch(pad(sources, filler), mask, tuple(self._passes(found, filler)))

    def _passes(self, found: Sequence[SharedPrompt], filler: int) -> Iterator[DecoderPass]:
        """One pass for all targets if they can share a sequence, else one for each task."""
        targets = [replace(one, prompt=[]) for one in found]
        if not any(one.is_shared for one in targets) or self._can_share:
            yield DecoderPass(None, pack(targets, filler))
            return
        for task in TASKS:
            alone = [
                (source, replace(one, targets=(target,)))
                for source, one in enumerate(targets)
                for target in one.targets
                if target.task == task
            ]
            if alone:
                sources, sequences = zip(*alone, strict=True)
                yield DecoderPass(torch.tensor(sources), pack(sequences, filler))

    def forward(self, batch: Seq2SeqBatch) -> list[TaskOutput]:
        hidden = self._encode(batch.source, batch.mask)
        return [output for one in batch.passes for output in self._outputs(one, hidden, batch.mask)]

    def _outputs(
        self, one: DecoderPass, hidden: torch.Tensor, mask: torch.Tensor
    ) -> list[TaskOutput]:
        if one.sources is not None:
            hidden, mask = hidden[one.sources], mask[one.sources]
        return task_outputs(
            self.model,
            lambda: self._decode(one.packed, hidden, mask),
            one.packed.predicted_at,
            one.packed.targets,
            pools=self.pools,
            returns_head=lambda: self._returns_head,
        )

    def _encode(self, source: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """What the decoder reads of the sources: ``[sources, length, width]``."""
        encoder = self.model.get_encoder()
        hidden: torch.Tensor = encoder(input_ids=source, attention_mask=mask).last_hidden_state
        return hidden

    def _decode(self, packed: PackedBatch, hidden: torch.Tensor, mask: torch.Tensor) -> Any:
        """What the model returns for the sequences of a pass."""
        return self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
            attention_mask=mask,
            decoder_input_ids=packed.ids,
            # A mask of ours where targets share a sequence; a causal decoder needs no other.
            decoder_attention_mask=segment_mask(packed.segments, hidden.dtype)
            if packed.is_shared
            else None,
            use_cache=False,
        )

    @cached_property
    def _can_share(self) -> bool:
        """Whether targets may share a sequence, which needs positions relative to each other."""
        ids = torch.tensor([[1, 2, 3, 4]], device=self.device)
        mask = torch.ones_like(ids)
        return can_share(
            self, self.model, [], lambda packed: self._decode(packed, self._encode(ids, mask), mask)
        )

    @cached_property
    def _returns_head(self) -> bool:
        ids = torch.zeros(1, 1, dtype=torch.long).to(self.device)
        return returns_head(self.model, input_ids=ids, decoder_input_ids=ids)

    def check_choices(self, choices: Sequence[str]) -> None:
        self.codec.allowed_labels(self.spec.method, choices)
        label = max_label_tokens(self.codec, self.spec.config, choices)
        if label > self.spec.config.max_label_tokens:
            _check_lengths(self.model, self.codec, self.spec, label)

    def generate(self, task: TargetTask, examples: Sequence[Example]) -> list[Generated]:
        encoded = self.encode_examples(task, examples, Truncator(self.spec.config))
        sources = [ids for ids, _ in encoded]
        ids = pad(sources, int(self.tokenizer.pad_token_id)).to(self.device)
        mask = pad([[1] * len(ids) for ids in sources], 0).to(self.device)
        if allowed := choices_alone(self.codec, self.spec, task, examples):
            walks = [LabelWalk(labels.trie) for labels in allowed]
            self._walk(walks, ids, mask)
            return read_walks(walks, allowed, self.codec)
        inputs = {
            "input_ids": ids,
            "attention_mask": mask,
            # As an argument of its own: transformers would put the config's before another one.
            "decoder_start_token_id": self.decoder_start(task),
        }
        found = generate(self.model, self.codec, self.spec, task, examples, inputs, 1)
        return join_decimals(found, self.spec)

    @torch.inference_mode()
    def _walk(self, walks: Sequence[LabelWalk], ids: torch.Tensor, mask: torch.Tensor) -> None:
        """Finish the walks, one for each source: one pass of the decoder for each branching."""
        hidden = self._encode(ids, mask)
        filler = int(self.tokenizer.pad_token_id)
        while rows := [row for row, walk in enumerate(walks) if not walk.is_done]:
            ends = torch.tensor([len(walks[row].ids) for row in rows], device=self.device)
            written = pad([[self._start, *walks[row].ids] for row in rows], filler)
            with logits_at(self.model, torch.arange(len(rows), device=self.device), ends):
                logits = self.model(
                    encoder_outputs=BaseModelOutput(last_hidden_state=hidden[rows]),
                    attention_mask=mask[rows],
                    decoder_input_ids=written.to(self.device),
                    use_cache=False,
                ).logits[0]
            for row, found in zip(rows, logits.cpu(), strict=True):
                walks[row].choose(found)

    def plain_code(self, folder: str) -> str:
        return seq2seq_code(self.spec, folder)

    def decoder_start(self, task: TargetTask) -> int:
        """The decoder's first token for a task."""
        if task == "label" or self.spec.two_passes or self.spec.method.place != "apart":
            return self._start
        return self.codec.rationale_marker[0]


def join_decimals(found: list[Generated], spec: StudentSpec) -> list[Generated]:
    """The same labels with decimals as they were: WordPiece decodes 1.5 as "1. 5"."""
    if spec.task.answer.kind not in ("number", "equation"):
        return found
    return [replace(one, label=_SPACED_POINT.sub(".", one.label)) for one in found]


def _target_prefix(tokenizer: Any, start: int) -> list[int]:
    """The tokens that a tokenizer puts before a target, unless the decoder starts with them."""
    bare = tokenizer("a", add_special_tokens=False).input_ids
    whole = tokenizer(text_target="a").input_ids
    prefix = list(whole[: whole.index(bare[0])]) if bare[0] in whole else []
    return [] if prefix == [start] else prefix


def _prepare(model: Any, tokenizer: Any, config: StudentConfig) -> None:
    """Add our two tokens, and replace the generation config by one that only answers."""
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [LABEL_TOKEN, RATIONALE_TOKEN]},
        replace_extra_special_tokens=False,
    )
    halves = [model.encoder, model.decoder] if isinstance(model, EncoderDecoderModel) else [model]
    for half in halves:
        if len(tokenizer) > half.get_input_embeddings().num_embeddings:
            half.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    if getattr(model.config, "decoder_start_token_id", None) is None:
        model.config.decoder_start_token_id = tokenizer.pad_token_id
    own = model.generation_config
    model.generation_config = GenerationConfig(
        decoder_start_token_id=model.config.decoder_start_token_id,
        bos_token_id=own.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        forced_bos_token_id=own.forced_bos_token_id,
        max_new_tokens=config.max_label_tokens + 1,
    )


def _check_lengths(model: Any, codec: TargetCodec, spec: StudentSpec, label: int) -> None:
    """Check that encoder and decoder have positions for labels of so many tokens."""
    config, method = spec.config, spec.method
    wanted = config.max_input_tokens
    check_positions(model.get_encoder(), wanted, f"student.max_input_tokens is {wanted}")
    rationale = config.max_rationale_tokens if method.writes_rationales else 0
    in_one = method.place in ("before", "after")
    longest = label + 1 + rationale if in_one else max(label, rationale)
    # The decoder also reads its start token; it never reads the end.
    wanted = 1 + len(codec.prefix) + longest
    reason = f"what {method.name!r} writes may be {wanted} tokens long"
    check_positions(model.get_decoder(), wanted, f"{reason} (student.max_rationale_tokens)")
