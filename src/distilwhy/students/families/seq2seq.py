"""Encoder–decoder students: T5, Flan-T5, mT5, BART; one warm-started from a pretrained encoder;
and a small T5 from scratch.

One pass over the source serves both tasks: the encoder runs once, and the token that opens the
decoder names the task. The label opens with the model's own start token, so that a saved student
answers with a label to plain ``generate``; the rationale opens with ``<rationale>``.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    EncoderDecoderModel,
    GenerationConfig,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.modeling_outputs import BaseModelOutput

from distilwhy.config import StudentConfig
from distilwhy.core.method import TargetTask, TrainingRow
from distilwhy.core.task import Example
from distilwhy.students.families.codec import TargetCodec, longest_label
from distilwhy.students.families.generate import write
from distilwhy.students.families.target_batch import TASKS, TargetBatch, gather_targets
from distilwhy.students.families.tokenizer import LABEL_TOKEN, RATIONALE_TOKEN, train_tokenizer
from distilwhy.students.network import (
    IGNORED,
    DrawnRow,
    EncodedRow,
    EncodedTarget,
    Lengths,
    Network,
    Shape,
    StudentSpec,
    TaskOutput,
    Written,
    check_positions,
    logits_at,
    pad,
    pooled_logits,
    read_shape,
    target_losses,
    targets_of,
)
from distilwhy.students.pretrained import Pretrained, mark_fresh, read_fresh

_SPACED_POINT = re.compile(r"(?<=\d)\s*\.\s+(?=\d)")


@dataclass(frozen=True)
class Batch:
    """The sources of one step, ``[sources, length]`` with their mask, and the targets."""

    source: torch.Tensor
    mask: torch.Tensor
    targets: tuple[TargetBatch, ...]


class Seq2SeqNetwork(Network):
    """An encoder–decoder with its two tasks."""

    def __init__(self, model: Any, tokenizer: Any, brief: StudentSpec) -> None:
        _make_ready(model, tokenizer, brief.limits)
        super().__init__(model, tokenizer, brief)
        self._start = int(model.config.decoder_start_token_id)
        label, rationale = tokenizer.convert_tokens_to_ids([LABEL_TOKEN, RATIONALE_TOKEN])
        lead = _lead(tokenizer, self._start)
        self._spelling = TargetCodec(tokenizer, lead, "", [int(label)], [int(rationale)])
        _check_room(model, self._spelling, brief, brief.limits.max_label_tokens)
        self.check_choices(brief.task.answer.labels)

    @property
    def shape(self) -> Shape:
        config = self.model.config
        if not isinstance(self.model, EncoderDecoderModel):
            return read_shape(config)
        encoder, decoder = read_shape(config.encoder), read_shape(config.decoder)
        return replace(decoder, layers=encoder.layers + decoder.layers)

    def encode(self, row: TrainingRow, lengths: Lengths) -> EncodedRow:
        tasks = TASKS if self.brief.two_passes else TASKS[:1]
        sources = [self._source(row.source, task) for task in tasks]
        variants = tuple(
            tuple(
                EncodedTarget(
                    target.task,
                    [self._opens(target.task)],
                    self._spelling.spell(target, lengths, is_choice=self.brief.chooses),
                    target.weight,
                    target.temperature,
                    tasks.index(target.task) if self.brief.two_passes else 0,
                )
                for target in targets
            )
            for targets in targets_of(row)
        )
        return EncodedRow(tuple(lengths.cut("input", s, end=1) for s in sources), variants)

    def collate(self, rows: Sequence[DrawnRow]) -> Batch:
        filler = int(self.tokenizer.pad_token_id)
        found, targets = gather_targets(rows, filler)
        sources = [drawn.row.sources[which] for drawn, which in found]
        return Batch(
            pad(sources, filler), pad([[1] * len(source) for source in sources], 0), targets
        )

    def forward(self, batch: Batch) -> list[TaskOutput]:
        encoder = self.model.get_encoder()
        hidden = encoder(input_ids=batch.source, attention_mask=batch.mask).last_hidden_state
        return [self._output(batch, targets, hidden) for targets in batch.targets]

    def _output(self, batch: Batch, targets: TargetBatch, hidden: torch.Tensor) -> TaskOutput:
        with logits_at(self.model, targets.labels != IGNORED):
            logits = self.model(
                encoder_outputs=BaseModelOutput(last_hidden_state=hidden[targets.sources]),
                attention_mask=batch.mask[targets.sources],
                decoder_input_ids=targets.inputs,
                use_cache=False,
            ).logits[0]
        return TaskOutput(
            targets.task,
            targets.rows,
            target_losses(logits, targets.labels, targets.temperatures),
            targets.weights,
            pooled_logits(logits, targets.labels) if self.pools else None,
        )

    def sources(
        self, task: TargetTask, examples: Sequence[Example], lengths: Lengths
    ) -> list[list[int]]:
        found = [self._source(example.text, task) for example in examples]
        return [lengths.cut("input", ids, end=1) for ids in found]

    def check_choices(self, choices: Sequence[str]) -> None:
        self._spelling.menu(self.brief.method, choices)
        label = longest_label(self._spelling, self.brief.limits, choices)
        if label > self.brief.limits.max_label_tokens:
            _check_room(self.model, self._spelling, self.brief, label)

    def write(self, task: TargetTask, examples: Sequence[Example]) -> list[Written]:
        sources = self.sources(task, examples, Lengths(self.brief.limits))
        opening = torch.full((len(examples), 1), self._opens(task), device=self.device)
        inputs = {
            "input_ids": pad(sources, int(self.tokenizer.pad_token_id)).to(self.device),
            "attention_mask": pad([[1] * len(ids) for ids in sources], 0).to(self.device),
            "decoder_input_ids": opening,
        }
        written = write(self.model, self._spelling, self.brief, task, examples, inputs, 1)
        if self.brief.task.answer.kind not in ("number", "equation"):
            return written
        return [Written(_SPACED_POINT.sub(".", w.label), w.rationale) for w in written]

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _source(self, text: str, task: TargetTask) -> list[int]:
        return list(self.tokenizer(self.brief.source(text, task), verbose=False).input_ids)

    def _opens(self, task: TargetTask) -> int:
        """The id that opens the decoder for a task."""
        if task == "label" or self.brief.two_passes or self.brief.method.place != "apart":
            return self._start
        return self._spelling.rationale[0]


def _lead(tokenizer: Any, start: int) -> list[int]:
    """What the tokenizer puts before a text, unless the decoder is opened by that."""
    bare = tokenizer("a", add_special_tokens=False).input_ids
    whole = tokenizer(text_target="a").input_ids
    lead = list(whole[: whole.index(bare[0])]) if bare[0] in whole else []
    return [] if lead == [start] else lead


def _make_ready(model: Any, tokenizer: Any, limits: StudentConfig) -> None:
    """Give a model our two tokens, and a generation config that does nothing but our job."""
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [LABEL_TOKEN, RATIONALE_TOKEN]},
        replace_extra_special_tokens=False,
    )
    halves = [model.encoder, model.decoder] if isinstance(model, EncoderDecoderModel) else [model]
    for half in halves:
        if len(tokenizer) > half.get_input_embeddings().num_embeddings:
            half.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    config, former = model.config, model.generation_config
    if getattr(config, "decoder_start_token_id", None) is None:
        config.decoder_start_token_id = tokenizer.pad_token_id
    model.generation_config = GenerationConfig(
        decoder_start_token_id=config.decoder_start_token_id,
        bos_token_id=former.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        forced_bos_token_id=former.forced_bos_token_id,
        max_new_tokens=limits.max_label_tokens + 1,
    )


def _check_room(model: Any, spelling: TargetCodec, brief: StudentSpec, label: int) -> None:
    """See to it that both halves have positions for what they read, labels of so many tokens
    among it."""
    limits = brief.limits
    wanted = limits.max_input_tokens
    check_positions(model.get_encoder(), wanted, f"student.max_input_tokens is {wanted}")
    rationale = limits.max_rationale_tokens if brief.method.writes_rationales else 0
    in_one = brief.method.place in ("before", "after")
    longest = label + 1 + rationale if in_one else max(label, rationale)
    # What opens the decoder is read too; the end is not.
    wanted = 1 + len(spelling.lead) + longest
    said = f"what {brief.method.name!r} writes may be {wanted} tokens long"
    check_positions(model.get_decoder(), wanted, f"{said} (student.max_rationale_tokens)")


def load_seq2seq(found: Pretrained) -> Any:
    """A pretrained or saved encoder–decoder."""
    return found.model(AutoModelForSeq2SeqLM)


def warm_start(found: Pretrained, tokenizer: Any, config: StudentConfig) -> Any:
    """A pretrained encoder with a decoder, fresh or copied from it (Rothe, Narayan & Severyn
    2020, *Leveraging Pre-trained Checkpoints for Sequence Generation Tasks*).

    A copied decoder is the encoder's own layers with fresh cross-attention; a fresh one takes
    only the embeddings, and has ``student.decoder_layers`` layers.
    """
    encoder = found.model(AutoModel)
    if hasattr(encoder, "pooler"):
        encoder.pooler = None
    shape = found.config()
    shape.is_decoder = shape.add_cross_attention = True
    shape.tie_word_embeddings = True
    if config.decoder == "copied":
        decoder = found.model(AutoModelForCausalLM, shape)
        fresh = read_fresh(decoder)
    else:
        shape.num_hidden_layers = config.decoder_layers
        decoder = found.fresh(AutoModelForCausalLM, shape)
        words = decoder.get_input_embeddings().weight
        words.data = encoder.get_input_embeddings().weight.detach().clone()
        decoder.tie_weights()
        fresh = frozenset(name for name, p in decoder.named_parameters() if p is not words)
    model = EncoderDecoderModel(encoder=encoder, decoder=decoder)
    mark_fresh(model, (f"decoder.{name}" for name in fresh))
    tokenizer.bos_token = tokenizer.bos_token or tokenizer.cls_token
    tokenizer.eos_token = tokenizer.eos_token or tokenizer.sep_token
    model.config.decoder_start_token_id = tokenizer.bos_token_id
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.eos_token_id = tokenizer.eos_token_id
    return model


def scratch_seq2seq(config: StudentConfig, texts: Iterable[str]) -> tuple[Any, Any]:
    """A small T5-shaped model, and a tokenizer trained on ``texts``."""
    shape = config.scratch
    tokenizer = train_tokenizer(texts, shape.vocabulary)
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=shape.width,
            d_kv=shape.width // shape.heads,
            d_ff=shape.feedforward,
            num_layers=shape.layers,
            num_heads=shape.heads,
            dropout_rate=shape.dropout,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            decoder_start_token_id=tokenizer.pad_token_id,
        )
    )
    return model, tokenizer
