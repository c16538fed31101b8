"""Encoder students: BERT, MiniLM, DeBERTa, ModernBERT, and a small BERT from scratch.

A head chooses the label in one pass of the encoder. While it is trained, a small decoder writes
the rationale from the same pass: the reasons shape the encoder, and the decoder is thrown away.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import processors
from transformers import AutoModel, AutoModelForSequenceClassification, BertConfig

from distilwhy.core.method import Target, TargetTask, TrainingRow
from distilwhy.core.task import Example
from distilwhy.errors import StudentError
from distilwhy.students.families.encoder_batch import Batch, Source, build_batch, lay_out
from distilwhy.students.families.label_head import (
    OptionHead,
    classify_vectors,
    label_losses,
    mean_parts,
)
from distilwhy.students.families.rationale_decoder import RationaleDecoder, build_decoder
from distilwhy.students.families.target_batch import TASKS, TargetBatch
from distilwhy.students.families.tokenizer import LABEL_TOKEN, train_tokenizer
from distilwhy.students.network import (
    IGNORED,
    DrawnRow,
    EncodedRow,
    EncodedTarget,
    Lengths,
    Network,
    StudentSpec,
    TaskOutput,
    Written,
    check_positions,
    naming,
    pad,
    pooled_logits,
    target_losses,
    targets_of,
)
from distilwhy.students.pretrained import Pretrained
from distilwhy.students.settings import SCRATCH, check_chooses

_HEAD, _DECODER = "head.safetensors", "decoder.safetensors"


@dataclass(frozen=True)
class _Seen:
    """What one pass of the encoder gives.

    Attributes:
        logits: ``[sources, choices]``: the head's.
        judge: The head's logits, ``[targets, choices]``, for vectors ``[targets, width]`` in the
            place of what the encoder saw of the sources ``[targets]``.
        mask: ``[sources, length]``: 1 for tokens, 0 for padding.
        states: ``[sources, length, width]``: the last hidden states; None without a decoder.
    """

    logits: torch.Tensor
    judge: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    mask: torch.Tensor
    states: torch.Tensor | None


class EncoderNetwork(Network):
    """An encoder with a head that chooses the label, and a decoder for rationales.

    Fixed labels are chosen by the model's own head for classification, so that plain
    ``AutoModelForSequenceClassification`` answers as the student does. A row's own options are
    read after its text, ``[CLS] text [SEP] option [SEP] option [SEP]``, and scored by an
    ``OptionHead``.

    How a rationale r of n tokens, its end among them, is taught beside a label y of a source x:

        apart   p(y|x) by the head, p(r|x) by the decoder
        after   p(y|x) by the head, p(r|x, y) by the decoder, which has read y: the loss of the
                sequence is (CE(y) + Σ CE(r)) / (1 + n), as if y were one token of it
        before  p(r|x) by the decoder, p(y|x, r) by the head from the mean of the decoder's
                hidden states over r; the same loss

    Only ``before`` needs the decoder to answer: there it is kept, and writes a rationale before
    the head can choose. All others answer in one pass of the encoder.

    Args:
        trained: Whether training is over: a decoder that is then thrown away is not built.
    """

    def __init__(
        self, model: Any, tokenizer: Any, brief: StudentSpec, trained: bool = False
    ) -> None:
        wanted = brief.limits.max_input_tokens
        check_positions(model.base_model, wanted, f"student.max_input_tokens is {wanted}")
        super().__init__(model, tokenizer, brief)
        self.keeps_decoder = brief.method.place == "before"
        self._has_options = not brief.task.answer.labels
        self._start = _either(tokenizer.cls_token_id, tokenizer.bos_token_id)
        self._end = _either(tokenizer.sep_token_id, tokenizer.eos_token_id)
        self.head = OptionHead(self.width) if self._has_options else None
        self.decoder: RationaleDecoder | None = None
        if brief.method.writes_rationales and (self.keeps_decoder or not trained):
            self.decoder = build_decoder(model, brief.limits)

    @property
    def explains(self) -> bool:
        return self.keeps_decoder

    @property
    def fresh(self) -> frozenset[str]:
        """Those of the model's own head, and of a decoder; the head for options begins as the
        cosine."""
        if self.brief.limits.model == SCRATCH:
            return frozenset()
        return super().fresh | {
            name for name, _ in self.named_parameters() if name.startswith("decoder.")
        }

    @property
    def size(self) -> int:
        """The number of parameters that answer: those of a decoder only where it is kept."""
        parts = [self.model, self.head, self.decoder if self.keeps_decoder else None]
        return sum(p.numel() for part in parts if part is not None for p in part.parameters())

    def encode(self, row: TrainingRow, lengths: Lengths) -> EncodedRow:
        options = self._options(row.options)
        tasks = TASKS if self.brief.two_passes else TASKS[:1]
        sources = [self._source(row.source, task, options, lengths) for task in tasks]
        variants = tuple(
            tuple(self._target(target, row.options, lengths) for target in targets)
            for targets in targets_of(row)
        )
        return EncodedRow(tuple(sources), variants, options)

    def collate(self, rows: Sequence[DrawnRow]) -> Batch:
        return build_batch(rows, int(self.tokenizer.pad_token_id))

    def forward(self, batch: Batch) -> list[TaskOutput]:
        seen = self._see(batch.source, batch.parts)
        return [self._output(targets, seen) for targets in batch.targets]

    def sources(
        self, task: TargetTask, examples: Sequence[Example], lengths: Lengths
    ) -> list[list[int]]:
        return [source for source, _ in self._sources(examples, lengths)]

    def check_choices(self, choices: Sequence[str]) -> None:
        self._options(choices)

    @torch.inference_mode()
    def write(self, task: TargetTask, examples: Sequence[Example]) -> list[Written]:
        if task == "rationale" and not self.keeps_decoder:
            raise StudentError(
                f"this student was trained by {self.brief.method.name!r}: the decoder that wrote "
                "its rationales was thrown away after training; to have explanations, train a "
                "student of the family seq2seq or causal"
            )
        seen = self._read(examples)
        logits, rationales = seen.logits, [""] * len(examples)
        if self.keeps_decoder:
            logits, rationales = self._reason(seen)
        if task == "rationale":
            return [Written(rationale=text) for text in rationales]
        best = logits.float().argmax(dim=-1).tolist()
        choices = [self.brief.task.answer.choices(example.options) for example in examples]
        return [Written(choices[i][best[i]], text) for i, text in enumerate(rationales)]

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        for name, part in self._saved():
            save_file(part.state_dict(), folder / name)

    def load_head(self, folder: Path) -> None:
        """Take what ``save`` wrote beside the model: the head for options, a kept decoder."""
        for name, part in self._saved():
            part.load_state_dict(load_file(folder / name))

    def _saved(self) -> list[tuple[str, torch.nn.Module]]:
        """What is saved beside the model."""
        parts = {_HEAD: self.head, _DECODER: self.decoder if self.keeps_decoder else None}
        return [(name, part) for name, part in parts.items() if part is not None]

    @property
    def _words(self) -> torch.Tensor:
        """``[vocabulary, embedding]``: the encoder's input embeddings, which the decoder uses."""
        words: torch.Tensor = self.model.get_input_embeddings().weight
        return words

    def _ids(self, text: str) -> list[int]:
        """A text as ids, without what opens and ends a sequence."""
        found = self.tokenizer(text, add_special_tokens=False, verbose=False).input_ids
        return list(found) if text else []

    def _options(self, options: Sequence[str]) -> tuple[list[int], ...]:
        """A row's own options as ids, each with its end; none where the labels are fixed."""
        if not self._has_options:
            return ()
        found = tuple([*self._ids(option), self._end] for option in options)
        length, limit = sum(map(len, found)), self.brief.limits.max_input_tokens
        if length + 2 > limit:
            raise StudentError(
                f"its options are {length} tokens long, which leaves no room for its text; raise "
                f"student.max_input_tokens, which is {limit}"
            )
        return found

    def _source(
        self, text: str, task: TargetTask, options: Sequence[list[int]], lengths: Lengths
    ) -> list[int]:
        """A text as ids, cut so that its options fit behind it."""
        ids = self.tokenizer(self.brief.source(text, task), verbose=False).input_ids
        offered = [token for option in options for token in option]
        # The options stand first here alone: what is cut is what stands before the end.
        return lengths.cut("input", [*offered, *ids], end=1)[len(offered) :]

    def _target(self, target: Target, options: tuple[str, ...], lengths: Lengths) -> EncodedTarget:
        choice = self._choice(target.text, options) if target.task == "label" else None
        sequence = target.after if target.before is None else target.before
        rationale = target.text if target.task == "rationale" else sequence
        opening, ids = [self._start], []
        if target.after is not None:
            opening += [*lengths.cut("label", self._ids(target.text)), self._end]
        if rationale is not None:
            ids = [*lengths.cut("rationale", self._ids(rationale)), self._end]
        source = TASKS.index(target.task) if self.brief.two_passes else 0
        return EncodedTarget(
            target.task, opening, ids, target.weight, target.temperature, source, choice
        )

    def _choice(self, label: str, options: tuple[str, ...]) -> int:
        choices = self.brief.task.answer.choices(options)
        if label not in choices:
            raise StudentError(
                f"the label {label!r} is none of the row's choices, {', '.join(choices)}; mend "
                "the row, or add the label to task.answer.labels"
            )
        return choices.index(label)

    def _see(self, source: torch.Tensor, parts: torch.Tensor) -> _Seen:
        """One pass of the encoder, and what the head makes of it."""
        mask = (parts >= 0).long()
        if self.head is not None:
            return self._see_options(self.head, source, parts, mask)
        asks = self.decoder is not None
        found = self.model(input_ids=source, attention_mask=mask, output_hidden_states=asks)
        states = found.hidden_states[-1] if asks else None
        return _Seen(found.logits, lambda v, _: classify_vectors(self.model, v), mask, states)

    def _see_options(
        self, head: OptionHead, source: torch.Tensor, parts: torch.Tensor, mask: torch.Tensor
    ) -> _Seen:
        states = self.model(input_ids=source, attention_mask=mask).last_hidden_state
        means, is_there = mean_parts(states, parts)
        options, is_open = means[:, 1:], is_there[:, 1:]
        logits = head(means[:, 0], options, is_open)
        return _Seen(logits, lambda v, s: head(v, options[s], is_open[s]), mask, states)

    def _output(self, targets: TargetBatch, seen: _Seen) -> TaskOutput:
        """The losses of one task's targets, by the equations above."""
        logits, losses = seen.logits[targets.sources], torch.zeros_like(targets.weights)
        real = targets.labels != IGNORED
        if targets.labels.shape[1]:
            hidden = self._decode(targets.inputs, targets.sources, seen)
            assert self.decoder is not None
            written = self.decoder.logits(hidden[real], self._words)
            losses = target_losses(written, targets.labels, targets.temperatures)
            if self.keeps_decoder or (self.pools and targets.task == "rationale"):
                logits = seen.judge(pooled_logits(hidden, targets.labels), targets.sources)
        if targets.task == "label":
            chosen = label_losses(logits, targets.choices, targets.temperatures)
            tokens = real.sum(dim=1)
            losses = (chosen + tokens * losses) / (1 + tokens)
        pooled = logits if self.pools else None
        return TaskOutput(targets.task, targets.rows, losses, targets.weights, pooled)

    def _decode(self, inputs: torch.Tensor, sources: torch.Tensor, seen: _Seen) -> torch.Tensor:
        """The decoder's hidden states: ``[targets, length, width]``."""
        assert self.decoder is not None
        assert seen.states is not None
        hidden: torch.Tensor = self.decoder(
            inputs, seen.states[sources], seen.mask[sources], self._words
        )
        return hidden

    def _read(self, examples: Sequence[Example]) -> _Seen:
        """One pass over what is asked."""
        sources = self._sources(examples, Lengths(self.brief.limits))
        source, parts = lay_out(sources, int(self.tokenizer.pad_token_id))
        return self._see(source.to(self.device), parts.to(self.device))

    def _sources(self, examples: Sequence[Example], lengths: Lengths) -> list[Source]:
        found = []
        for example in examples:
            with naming(example):
                options = self._options(example.options)
            found.append((self._source(example.text, "label", options, lengths), options))
        return found

    def _reason(self, seen: _Seen) -> tuple[torch.Tensor, list[str]]:
        """A rationale for each source, and the head's logits for having written it."""
        assert self.decoder is not None
        assert seen.states is not None
        longest = self.brief.limits.max_rationale_tokens
        written = self.decoder.write(
            self._start, self._end, longest, seen.states, seen.mask, self._words
        )
        inputs = pad([[self._start, *ids] for ids in written], self._end).to(self.device)
        labels = pad([[*ids, self._end] for ids in written], IGNORED).to(self.device)
        sources = torch.arange(len(written), device=self.device)
        hidden = self._decode(inputs, sources, seen)
        logits = seen.judge(pooled_logits(hidden, labels), sources)
        texts = [self.tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in written]
        return logits, texts


def load_encoder(found: Pretrained, brief: StudentSpec) -> Any:
    """A pretrained or saved encoder, with a head of its own where the labels are fixed.

    Raises:
        StudentError: if the answer is no choice.
    """
    labels = _fixed_labels(brief)
    if not labels:
        return _without_pooler(found.model(AutoModel))
    return found.classifier(labels)


def scratch_encoder(brief: StudentSpec, texts: Iterable[str]) -> tuple[Any, Any]:
    """A small BERT, and a tokenizer trained on ``texts``.

    Raises:
        StudentError: if the answer is no choice.
    """
    labels, limits, shape = _fixed_labels(brief), brief.limits, brief.limits.scratch
    tokenizer = _open_with_label(train_tokenizer(texts, shape.vocabulary))
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feedforward,
        hidden_dropout_prob=shape.dropout,
        attention_probs_dropout_prob=shape.dropout,
        max_position_embeddings=limits.max_input_tokens,
        type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id,
    )
    if not labels:
        return _without_pooler(AutoModel.from_config(config)), tokenizer
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    return AutoModelForSequenceClassification.from_config(config), tokenizer


def _open_with_label(tokenizer: Any) -> Any:
    """Let ``<label>`` open what is read: the head reads the label there."""
    start, end = LABEL_TOKEN, tokenizer.eos_token
    tokenizer.cls_token, tokenizer.sep_token = start, end
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, tokenizer.cls_token_id), (end, tokenizer.sep_token_id)],
    )
    return tokenizer


def _without_pooler(model: Any) -> Any:
    """Options are pooled by their own head."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model


def _either(first: int | None, second: int | None) -> int:
    """The id of the first of two special tokens that a tokenizer has."""
    found = second if first is None else first
    if found is None:
        raise StudentError(
            "the tokenizer of student.model marks neither the start nor the end of a text; take "
            "an encoder whose tokenizer has [CLS] and [SEP], or <s> and </s>"
        )
    return found


def _fixed_labels(brief: StudentSpec) -> tuple[str, ...]:
    check_chooses(brief.task.answer)
    return brief.task.answer.labels
