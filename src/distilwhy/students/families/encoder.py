"""Encoder students: BERT, MiniLM, DeBERTa, ModernBERT, or a small BERT from scratch.

A head chooses the label in one pass of the encoder. During training, a small decoder writes the
rationale from the same pass, which shapes the encoder; afterwards the decoder is thrown away.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from distilwhy.core.method import Target, TargetTask
from distilwhy.core.task import Example
from distilwhy.errors import StudentError
from distilwhy.students.batch import pad, to_device
from distilwhy.students.encoding import DrawnRow, EncodedTarget, Truncator
from distilwhy.students.families.label_head import (
    OptionHead,
    choose,
    classify_vectors,
    find_choice,
    label_losses,
    mark_parts,
    mean_parts,
)
from distilwhy.students.families.rationale_decoder import RationaleDecoder, build_decoder
from distilwhy.students.families.target_batch import DecoderTargets, gather_targets
from distilwhy.students.logits import Labels, TaskOutput, linear_losses, pooled_logits
from distilwhy.students.network import Generated, Network, check_positions
from distilwhy.students.plain_code import encoder_code
from distilwhy.students.settings import SCRATCH
from distilwhy.students.spec import StudentSpec

_HEAD, _DECODER = "head.safetensors", "decoder.safetensors"


@dataclass(frozen=True)
class EncoderBatch:
    """The sources of one step, each once however many targets it has, and their targets.

    Attributes:
        source: ``[sources, length]``: the encoder's input ids.
        parts: ``[sources, length]``: 0 for the text, 1 for the first option, and so on; -1 for
            padding.
        targets: A batch of targets for each task.
    """

    source: torch.Tensor
    parts: torch.Tensor
    targets: tuple[DecoderTargets, ...]


@dataclass(frozen=True)
class EncoderOutput:
    """What one pass of the encoder and its head return.

    Attributes:
        logits: ``[sources, choices]``: the head's logits.
        classify: Maps vectors ``[targets, width]`` and source indices ``[targets]`` to the
            head's logits ``[targets, choices]``, as if the encoder had returned these vectors.
        mask: ``[sources, length]``: 1 for tokens, 0 for padding.
        states: ``[sources, length, width]``: the last hidden states, as a decoder reads them;
            None without one.
    """

    logits: torch.Tensor
    classify: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    mask: torch.Tensor
    states: torch.Tensor | None


class EncoderNetwork(Network):
    """An encoder with a head that chooses the label, and a decoder for rationales.

    Fixed labels are chosen by the model's own classification head, so that plain
    ``AutoModelForSequenceClassification`` answers as the student does. A row's own options follow
    its text, ``[CLS] text [SEP] option [SEP] option [SEP]``, and an ``OptionHead`` scores them.

    For a source x with label y, a rationale r of n tokens (its end included) is trained like this:

        apart   p(y|x) by the head, p(r|x) by the decoder
        after   p(y|x) by the head, p(r|x, y) by the decoder, which has read y: the loss of the
                sequence is (CE(y) + Σ CE(r)) / (1 + n), as if y were one token of it
        before  p(r|x) by the decoder, p(y|x, r) by the head, from the mean of the decoder's
                hidden states over r; the same loss

    A decoder that is thrown away reads a pretrained encoder through a ``GradientGate``, and its
    gradient never reaches the embeddings that it shares.

    Only ``before`` keeps its decoder, since it writes a rationale before the head can choose. All
    others answer in one pass of the encoder.

    Args:
        is_trained: Whether training is over. A decoder that is then thrown away is not built.
    """

    family = "encoder"

    def __init__(
        self, model: Any, tokenizer: Any, spec: StudentSpec, is_trained: bool = False
    ) -> None:
        wanted = spec.config.max_input_tokens
        check_positions(model.base_model, wanted, f"student.max_input_tokens is {wanted}")
        super().__init__(model, tokenizer, spec)
        self.keeps_decoder = spec.method.place == "before"
        self._has_options = not spec.task.answer.labels
        self._start = _special_token(tokenizer.cls_token_id, tokenizer.bos_token_id)
        self._end = _special_token(tokenizer.sep_token_id, tokenizer.eos_token_id)
        self.head = OptionHead(self.width) if self._has_options else None
        self.decoder: RationaleDecoder | None = None
        if spec.method.writes_rationales and (self.keeps_decoder or not is_trained):
            self.decoder = build_decoder(model, spec.config)

    @property
    def can_explain(self) -> bool:
        return self.keeps_decoder

    @property
    def writes_untrained(self) -> bool:
        return False

    @property
    def takes_gate(self) -> bool:
        is_discarded = self.decoder is not None and not self.keeps_decoder
        return is_discarded and self.spec.config.model != SCRATCH

    @property
    def fresh(self) -> frozenset[str]:
        """Those of the model's own head and of the decoder.

        The head for options starts as a cosine, which is not random.
        """
        if self.spec.config.model == SCRATCH:
            return frozenset()
        return super().fresh | {
            name for name, _ in self.named_parameters() if name.startswith("decoder.")
        }

    @property
    def answers_untrained(self) -> bool:
        return not super().fresh

    @property
    def size(self) -> int:
        """The number of deployed parameters: a decoder counts only where it is kept."""
        parts = [self.model, self.head, self.decoder if self.keeps_decoder else None]
        return sum(p.numel() for part in parts if part is not None for p in part.parameters())

    def encode_source(
        self, text: str, task: TargetTask, options: Sequence[list[int]], truncator: Truncator
    ) -> list[int]:
        ids = self.text_encoder.ids(self.spec.source(text, task), add_special_tokens=True)
        before = [token for option in options for token in option]
        # The options come first only here, so that the cut falls on the text before its end.
        return truncator.cut("input", [*before, *ids], end=1)[len(before) :]

    def encode_options(self, options: Sequence[str]) -> tuple[list[int], ...]:
        """A row's own options as ids, each with its end; none where the labels are fixed."""
        if not self._has_options:
            return ()
        found = tuple([*self._ids(option), self._end] for option in options)
        length, limit = sum(map(len, found)), self.spec.config.max_input_tokens
        if length + 2 > limit:
            raise StudentError(
                f"its options are {length} tokens long, which leaves no space for its text; raise "
                f"student.max_input_tokens, which is {limit}"
            )
        return found

    def encode_target(
        self, target: Target, options: tuple[str, ...], truncator: Truncator
    ) -> EncodedTarget:
        is_label = target.task == "label"
        choice = find_choice(self.spec.task, target.text, options) if is_label else None
        sequence = target.after if target.before is None else target.before
        rationale = target.text if target.task == "rationale" else sequence
        opening, ids = [self._start], []
        if target.after is not None:
            opening += [*truncator.cut("label", self._ids(target.text)), self._end]
        if rationale is not None:
            ids = [*truncator.cut("rationale", self._ids(rationale)), self._end]
        return self.with_ids(target, opening, ids, choice)

    def collate(self, rows: Sequence[DrawnRow]) -> EncoderBatch:
        found, targets = gather_targets(rows, int(self.tokenizer.pad_token_id))
        sources = [(drawn.row.sources[which], drawn.row.options) for drawn, which in found]
        return EncoderBatch(*self._pad_sources(sources), targets)

    def forward(self, batch: EncoderBatch) -> list[TaskOutput]:
        encoded = self.run_encoder(batch.source, batch.parts)
        return [self._output(targets, encoded) for targets in batch.targets]

    def check_choices(self, choices: Sequence[str]) -> None:
        self.encode_options(choices)

    def check_apart(self, choices: Sequence[str]) -> None:
        if self._has_options:  # The head has a place of its own for each fixed label.
            super().check_apart(choices)

    @torch.inference_mode()
    def generate(self, task: TargetTask, examples: Sequence[Example]) -> list[Generated]:
        if task == "rationale" and not self.keeps_decoder:
            raise StudentError(
                f"this student was trained by {self.spec.method.name!r}: the decoder that wrote "
                "its rationales was thrown away after training; for explanations, train a student "
                "of the family seq2seq or causal"
            )
        sources = self.encode_examples("label", examples, Truncator(self.spec.config))
        source, parts = self._pad_sources(sources)
        logits, rationales = self.decide(source.to(self.device), parts.to(self.device))
        if task == "rationale":
            return [Generated(rationale=text) for text in rationales]
        choices = [self.spec.task.answer.choices(example.options) for example in examples]
        chosen = choose(logits, choices)
        return [replace(one, rationale=text) for one, text in zip(chosen, rationales, strict=True)]

    def decide(self, source: torch.Tensor, parts: torch.Tensor) -> tuple[torch.Tensor, list[str]]:
        """``[sources, choices]``: the logits of the ``source`` and ``parts`` of a batch; and each
        rationale, "" without a kept decoder."""
        encoded = self.run_encoder(source, parts)
        if self.keeps_decoder:
            return self._write_rationales(encoded)
        return encoded.logits, [""] * len(source)

    def plain_code(self, folder: str) -> str | None:
        is_plain = not (self._has_options or self.keeps_decoder)
        return encoder_code(self.spec, folder) if is_plain else None

    def save(self, folder: Path) -> None:
        super().save(folder)
        for name, part in self._parts():
            save_file(part.state_dict(), folder / name)

    def load_parts(self, folder: Path) -> None:
        """Load what ``save`` wrote beside the model: the head for options, a kept decoder."""
        for name, part in self._parts():
            part.load_state_dict(load_file(folder / name))

    def run_encoder(self, source: torch.Tensor, parts: torch.Tensor) -> EncoderOutput:
        """One pass of the encoder and its head over the ``source`` and ``parts`` of a batch."""
        mask, head = (parts >= 0).long(), self.head
        if head is None:
            has_decoder = self.decoder is not None
            found = self.model(
                input_ids=source, attention_mask=mask, output_hidden_states=has_decoder
            )
            states = self._gated(found.hidden_states[-1]) if has_decoder else None
            return EncoderOutput(
                found.logits, lambda vectors, _: classify_vectors(self.model, vectors), mask, states
            )
        states = self.model(input_ids=source, attention_mask=mask).last_hidden_state
        means, exists = mean_parts(states, mark_parts(parts))
        options, is_open = means[:, 1:], exists[:, 1:]
        logits, gated = head(means[:, 0], options, is_open), self._gated(states)
        return EncoderOutput(logits, lambda v, s: head(v, options[s], is_open[s]), mask, gated)

    def _gated(self, states: torch.Tensor) -> torch.Tensor:
        return states if self.gate is None else self.gate(states)

    def _pad_sources(
        self, sources: Sequence[tuple[list[int], tuple[list[int], ...]]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Texts and their options as the ``source`` and ``parts`` of a batch."""
        joined = [(text, *options) for text, options in sources]
        ids = [[token for part in parts for token in part] for parts in joined]
        numbers = [[n for n, part in enumerate(parts) for _ in part] for parts in joined]
        return pad(ids, int(self.tokenizer.pad_token_id)), pad(numbers, -1)

    def _output(self, targets: DecoderTargets, encoded: EncoderOutput) -> TaskOutput:
        """The losses of one task's targets, by the equations above."""
        logits, losses = encoded.logits[targets.sources], torch.zeros_like(targets.weights)
        if len(targets.labels.ids):
            hidden = self._decode(targets.inputs, targets.sources, encoded)
            hidden = hidden[targets.labels.positions]
            assert self.decoder is not None
            narrow, predicted = self.decoder.narrow(hidden), (targets.labels, targets.temperatures)
            (losses,) = linear_losses(narrow, self._embeddings, None, [predicted])
            if self.keeps_decoder or (self.pools and targets.task == "rationale"):
                logits = encoded.classify(pooled_logits(hidden, targets.labels), targets.sources)
        if targets.task == "label":
            label = label_losses(logits, targets.choices, targets.temperatures)
            tokens = targets.labels.counts
            losses = (label + tokens * losses) / (1 + tokens)
        return targets.output(losses, logits if self.pools else None)

    def _decode(
        self, inputs: torch.Tensor, sources: torch.Tensor, encoded: EncoderOutput
    ) -> torch.Tensor:
        """The decoder's hidden states: ``[targets, length, width]``."""
        assert self.decoder is not None
        assert encoded.states is not None
        hidden: torch.Tensor = self.decoder(
            inputs, encoded.states[sources], encoded.mask[sources], self._embeddings
        )
        return hidden

    def _write_rationales(self, encoded: EncoderOutput) -> tuple[torch.Tensor, list[str]]:
        """A rationale for each source, and the head's logits after it."""
        assert self.decoder is not None
        assert encoded.states is not None
        longest = self.spec.config.max_rationale_tokens
        written = self.decoder.generate(
            self._start, self._end, longest, encoded.states, encoded.mask, self._embeddings
        )
        inputs = pad([[self._start, *ids] for ids in written], self._end).to(self.device)
        ends = Labels.of([[*ids, self._end] for ids in written], [0] * len(written))
        labels = to_device(ends, self.device)
        sources = torch.arange(len(written), device=self.device)
        hidden = self._decode(inputs, sources, encoded)
        logits = encoded.classify(pooled_logits(hidden[labels.positions], labels), sources)
        texts = [self.tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in written]
        return logits, texts

    def _ids(self, text: str) -> list[int]:
        """A text as ids, without special tokens."""
        return self.text_encoder.ids(text) if text else []

    @property
    def _embeddings(self) -> torch.Tensor:
        """``[vocabulary, embedding]``: the encoder's input embeddings, which the decoder shares."""
        embeddings: torch.Tensor = self.model.get_input_embeddings().weight
        return embeddings if self.gate is None else embeddings.detach()

    def _parts(self) -> list[tuple[str, torch.nn.Module]]:
        """The modules that are saved beside the model, with their file names."""
        parts = {_HEAD: self.head, _DECODER: self.decoder if self.keeps_decoder else None}
        return [(name, part) for name, part in parts.items() if part is not None]


def _special_token(first: int | None, second: int | None) -> int:
    """The id of the first of two special tokens that a tokenizer has."""
    found = second if first is None else first
    if found is None:
        raise StudentError(
            "the tokenizer of student.model marks neither the start nor the end of a text; use an "
            "encoder whose tokenizer has [CLS] and [SEP], or <s> and </s>"
        )
    return found
