"""Encoder–decoder and decoder-only students that CTranslate2 answers for."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import ctranslate2
import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from distilwhy.core.method import TargetTask
from distilwhy.core.task import Example
from distilwhy.students.encoding import Truncator
from distilwhy.students.families.causal import CausalNetwork
from distilwhy.students.families.seq2seq import Seq2SeqNetwork, join_decimals
from distilwhy.students.network import Generated
from distilwhy.students.plain_code import translator_code
from distilwhy.students.pretrained import Pretrained
from distilwhy.students.runtimes.decoding import Decoded, Decoder, Ids, Writer
from distilwhy.students.runtimes.exported import Exported
from distilwhy.students.spec import StudentSpec

PLACE = "ctranslate2"
VOCABULARIES = ("vocabulary.json", "shared_vocabulary.json")


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a model by their ids. CTranslate2 takes tokens, not ids."""

    names: Sequence[str]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The vocabulary of the CTranslate2 model in a folder."""
        [file] = (folder / name for name in VOCABULARIES if (folder / name).exists())
        return cls(json.loads(file.read_text(encoding="utf-8")))

    def tokens(self, ids: Sequence[int]) -> list[str]:
        return [self.names[token] for token in ids]

    def ids(self, tokens: Sequence[str]) -> Ids:
        return [self._numbers[token] for token in tokens]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}


@dataclass(frozen=True)
class SourceDecoder(Decoder):
    """An encoder–decoder: each row has a source.

    Attributes:
        start: The token that every target starts with.
    """

    model: Any
    vocabulary: Vocabulary
    sources: Sequence[Ids]
    start: int

    def extend(
        self,
        rows: Sequence[int],
        written: Sequence[Ids],
        longest: int,
        stops: Sequence[int],
        *,
        wants_logits: bool = False,
    ) -> list[Decoded]:
        tokens, done = self.vocabulary.tokens, len(written[0])
        found = self.model.translate_batch(
            [tokens(self.sources[row]) for row in rows],
            target_prefix=[tokens([self.start, *ids]) for ids in written],
            max_input_length=0,
            max_decoding_length=longest,
            min_decoding_length=0,
            beam_size=1,
            length_penalty=0,
            end_token=list(stops),
            return_scores=True,
            return_logits_vocab=wants_logits,
        )
        return [
            Decoded(
                self.vocabulary.ids(one.hypotheses[0][done:]),
                one.scores[0],
                _read(one.logits[0][-1]) if wants_logits else None,
            )
            for one in found
        ]


@dataclass(frozen=True)
class PromptDecoder(Decoder):
    """A decoder: each row has a prompt."""

    model: Any
    vocabulary: Vocabulary
    prompts: Sequence[Ids]

    def extend(
        self,
        rows: Sequence[int],
        written: Sequence[Ids],
        longest: int,
        stops: Sequence[int],
        *,
        wants_logits: bool = False,
    ) -> list[Decoded]:
        tokens, pairs = self.vocabulary.tokens, zip(rows, written, strict=True)
        found = self.model.generate_batch(
            [tokens([*self.prompts[row], *ids]) for row, ids in pairs],
            max_length=longest - len(written[0]),
            min_length=0,
            include_prompt_in_result=False,
            beam_size=1,
            length_penalty=0,
            end_token=list(stops),
            return_scores=True,
            return_logits_vocab=wants_logits,
        )
        return [
            Decoded(
                list(one.sequences_ids[0]),
                one.scores[0],
                _read(one.logits[0][-1]) if wants_logits else None,
            )
            for one in found
        ]


class Converted(Exported):
    """A student as a model of CTranslate2.

    Attributes:
        kind: The class of CTranslate2 that runs it.
        architecture: The class of transformers that it was converted from.
    """

    runtime, place = "ctranslate2", PLACE
    kind: ClassVar[Any]
    architecture: ClassVar[Any]

    def __init__(self, model: Any, tokenizer: Any, spec: StudentSpec, folder: Path) -> None:
        super().__init__(model, tokenizer, spec)
        self._runner = _open(self.kind, folder)
        self._vocabulary = Vocabulary.read(folder)

    @classmethod
    def load(cls, found: Pretrained, folder: Path, spec: StudentSpec) -> Self:
        """The student in a folder."""
        model = found.model(cls.architecture)
        return cls(model, found.tokenizer(), spec, folder / cls.place)


class TranslatedSeq2Seq(Converted, Seq2SeqNetwork):
    """An encoder–decoder as a ``ctranslate2.Translator``.

    Its targets start with the first token of ``target_prefix``.
    """

    kind, architecture = ctranslate2.Translator, AutoModelForSeq2SeqLM

    def generate(self, task: TargetTask, examples: Sequence[Example]) -> list[Generated]:
        encoded = self.encode_examples(task, examples, Truncator(self.spec.config))
        sources, start = [source for source, _ in encoded], self.decoder_start(task)
        decoder = SourceDecoder(self._runner, self._vocabulary, sources, start)
        return join_decimals(
            Writer(decoder, self.codec, self.spec).write(task, examples), self.spec
        )

    def plain_code(self, folder: str) -> str | None:  # type: ignore[override]
        start = self._vocabulary.names[self.decoder_start("label")]
        return translator_code(self.spec, folder, self.place, start)


class GeneratedCausal(Converted, CausalNetwork):
    """A decoder as a ``ctranslate2.Generator``."""

    kind, architecture = ctranslate2.Generator, AutoModelForCausalLM

    def generate(self, task: TargetTask, examples: Sequence[Example]) -> list[Generated]:
        encoded = self.encode_examples(task, examples, Truncator(self.spec.config))
        prompts = [[*source, *self._opening(task)] for source, _ in encoded]
        decoder = PromptDecoder(self._runner, self._vocabulary, prompts)
        return Writer(decoder, self.codec, self.spec).write(task, examples)

    def plain_code(self, folder: str) -> str | None:  # type: ignore[override]
        return None


def _open(kind: Any, folder: Path) -> Any:
    """A model on the CPU. It widens weights of 16 bits where it has to, and would warn of it."""
    ctranslate2.set_log_level(logging.ERROR)
    return kind(str(folder), device="cpu", intra_threads=torch.get_num_threads())


def _read(logits: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(logits))
