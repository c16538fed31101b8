"""The interface that all families of students share.

A family is a network that encodes training rows, collates them into batches, turns batches into
losses, and generates answers. The training loop and ``Student`` rely on nothing else.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from unicodedata import normalize

import torch

from distilwhy.core.method import Target, TargetTask, TrainingRow
from distilwhy.core.task import Example
from distilwhy.errors import StudentError
from distilwhy.literal_text import TextEncoder
from distilwhy.students.cpu.short_attention import use_short_attention
from distilwhy.students.encoding import TASKS, DrawnRow, EncodedRow, EncodedTarget, Truncator
from distilwhy.students.gradient_gate import GradientGate
from distilwhy.students.logits import TaskOutput
from distilwhy.students.pretrained import read_fresh, save_model
from distilwhy.students.settings import SCRATCH
from distilwhy.students.spec import StudentSpec

Family = Literal["seq2seq", "causal", "encoder"]


@dataclass(frozen=True)
class Generated:
    """What a student wrote for one example; "" for a part that it was not asked for.

    Numbers do not count when two of them are compared, since rounding depends on the batch.

    Attributes:
        confidence: The probability of the label among those allowed, or of its text where any is;
            None without a label.
        margin: The least difference between the logits of a token that was taken and of the best
            other one, over all tokens.
    """

    label: str = ""
    rationale: str = ""
    confidence: float | None = field(default=None, compare=False)
    margin: float = field(default=inf, compare=False)


@dataclass(frozen=True)
class Shape:
    """The sizes that decide a model's memory and time.

    Attributes:
        layers: Those of the encoder and of the decoder together.
    """

    width: int
    layers: int
    vocabulary: int


class Network(torch.nn.Module, ABC):
    """A student's model and tokenizer, ready for its spec.

    Attributes:
        pools: Whether ``forward`` returns pooled logits too.
        runtime: The Python package that does its arithmetic; None for torch.
        gate: Controls the gradient that the decoder of one that ``takes_gate`` sends into the
            encoder; None if all of it gets there.
    """

    family: ClassVar[Family]
    runtime: ClassVar[str | None] = None

    def __init__(self, model: Any, tokenizer: Any, spec: StudentSpec) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.text_encoder = TextEncoder(tokenizer)
        self.spec = spec
        self.pools = False
        self.gate: GradientGate | None = None

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def is_full(self) -> bool:
        """Whether torch computes it in fp32, so that it could do so in bf16."""
        return all(p.dtype == torch.float32 for p in self.parameters())

    def in_bf16(self) -> Self:
        """A copy with its parameters in bf16, to answer under autocast."""
        shared = [self.tokenizer, self.text_encoder, self.spec]
        # For weights without a gradient, torch's matmul copies them for each row of some batches.
        narrow = {id(p): torch.nn.Parameter(p.detach().bfloat16()) for p in self.parameters()}
        found = copy.deepcopy(self, {**narrow, **{id(part): part for part in shared}})
        use_short_attention(found.model)
        return found

    @property
    def can_explain(self) -> bool:
        """Whether it can write rationales, if its method trains it to."""
        return True

    @property
    def writes_untrained(self) -> bool:
        """Whether what predicts its rationales is pretrained."""
        return self.spec.config.model != SCRATCH

    @property
    def takes_gate(self) -> bool:
        """Whether it has a decoder that begins at random beside a pretrained encoder, and that is
        thrown away after training."""
        return False

    @property
    def fresh(self) -> frozenset[str]:
        """The names of the parameters that start at random beside pretrained ones."""
        return frozenset(f"model.{name}" for name in read_fresh(self.model))

    @property
    def answers_untrained(self) -> bool:
        """Whether no part that answers starts at random, beside pretrained ones."""
        return not self.fresh

    @property
    def shape(self) -> Shape:
        """The sizes of the model."""
        return read_shape(self.model.config)

    @property
    def width(self) -> int:
        """The hidden size."""
        return self.shape.width

    @property
    def size(self) -> int:
        """The number of parameters, shared ones counted once."""
        return sum(p.numel() for p in self.parameters())

    def encode(self, row: TrainingRow, truncator: Truncator) -> EncodedRow:
        """A training row as token ids, cut to the student's limits."""
        tasks = TASKS if self.spec.two_passes else TASKS[:1]
        options = self.encode_options(row.options)
        sources = tuple(self.encode_source(row.source, t, options, truncator) for t in tasks)
        variants = tuple(
            tuple(self.encode_target(target, row.options, truncator) for target in targets)
            for targets in (row.targets, *row.others)
        )
        return EncodedRow(sources, variants, options)

    def encode_options(self, options: Sequence[str]) -> tuple[list[int], ...]:
        """A row's own options, where the network encodes them apart from the text."""
        return ()

    @abstractmethod
    def encode_source(
        self, text: str, task: TargetTask, options: Sequence[list[int]], truncator: Truncator
    ) -> list[int]:
        """An input text as token ids, cut so that its options fit behind it."""

    @abstractmethod
    def encode_target(
        self, target: Target, options: tuple[str, ...], truncator: Truncator
    ) -> EncodedTarget:
        """A target as token ids, cut to the student's limits."""

    def with_ids(
        self, target: Target, opening: list[int], ids: list[int], choice: int | None = None
    ) -> EncodedTarget:
        """A target as these ids, with its weight, its temperature and the source it belongs to."""
        source = TASKS.index(target.task) if self.spec.two_passes else 0
        weight, temperature = target.weight, target.temperature
        return EncodedTarget(target.task, opening, ids, weight, temperature, source, choice)

    @abstractmethod
    def collate(self, rows: Sequence[DrawnRow]) -> Any:
        """A batch of padded tensors: a frozen dataclass that ``to_device`` can move."""

    @abstractmethod
    def forward(self, batch: Any) -> list[TaskOutput]:
        """The losses of a batch, for each task that has targets in it."""

    def encode_examples(
        self, task: TargetTask, examples: Sequence[Example], truncator: Truncator
    ) -> list[tuple[list[int], tuple[list[int], ...]]]:
        """Each example's text and options as token ids, cut to the student's limits."""
        found = []
        for example in examples:
            with naming_row(example):
                options = self.encode_options(example.options)
            found.append((self.encode_source(example.text, task, options, truncator), options))
        return found

    @abstractmethod
    def check_choices(self, choices: Sequence[str]) -> None:
        """Check that a row can have these choices.

        Raises:
            StudentError: if they do not fit, or two of them have the same tokens.
        """

    def check_apart(self, choices: Sequence[str]) -> None:
        """Check that the tokenizer tells all choices apart, however little they differ.

        A student that is loaded is not checked again: older versions let case and punctuation be
        the only difference.

        Raises:
            StudentError: if two choices have the same tokens and are not one text in two Unicode
                forms.
        """
        found: dict[tuple[int, ...], str] = {}
        for choice in choices:
            twin = found.setdefault(tuple(self.text_encoder.ids(choice)), choice)
            if normalize("NFC", twin) != normalize("NFC", choice):
                raise same_tokens(twin, choice)

    def check_rows(self, examples: Iterable[Example]) -> None:
        """Check each row's own options.

        Raises:
            StudentError: as ``check_choices`` and ``check_apart``, naming the row.
        """
        for example in examples:
            with naming_row(example):
                self.check_choices(example.options)
                self.check_apart(example.options)

    @abstractmethod
    def generate(self, task: TargetTask, examples: Sequence[Example]) -> list[Generated]:
        """What the student writes for each example, by greedy decoding.

        For ``label`` it stops as soon as the label is complete.

        Raises:
            StudentError: if it cannot do the task.
        """

    @abstractmethod
    def plain_code(self, folder: str) -> str | None:
        """Code that asks the student saved in a folder with plain ``transformers``.

        None if that needs parts which only distilwhy loads.
        """

    def save(self, folder: Path) -> None:
        """Write weights and tokenizer so that plain ``transformers`` loads them."""
        save_model(self.model, folder)
        self.tokenizer.save_pretrained(folder)

    def load_parts(self, folder: Path) -> None:
        """Load what ``save`` wrote beside weights and tokenizer, if the family has such parts."""


def read_shape(config: Any) -> Shape:
    """The shape in a transformers config; 0 for what it does not have."""

    def first(*names: str) -> int:
        found: list[Any] = [getattr(config, name, None) for name in names]
        return int(next(filter(None, found), 0))

    layers = first("encoder_layers", "num_hidden_layers")
    layers += first("decoder_layers", "num_decoder_layers")
    return Shape(first("hidden_size"), layers, first("vocab_size"))


def same_tokens(first: str, second: str) -> StudentError:
    """The error that a tokenizer cannot tell two choices apart."""
    return StudentError(
        f"the choices {first!r} and {second!r} are the same to this model's tokenizer; reword one, "
        "or use another student.model"
    )


def check_positions(half: Any, wanted: int, reason: str) -> None:
    """Check that an encoder or a decoder has enough positions.

    Models with relative positions have no limit.

    Args:
        reason: The settings that need so many; it begins the message.

    Raises:
        StudentError: if there are fewer.
    """
    for name, part in half.named_modules():
        is_table = name.endswith(("position_embeddings", "embed_positions"))
        if not is_table or not isinstance(part, torch.nn.Embedding):
            continue
        # RoBERTa's positions start behind the padding's, BART's at an offset of its own.
        skipped = 0 if part.padding_idx is None else part.padding_idx + 1
        found = part.num_embeddings - skipped - int(getattr(part, "offset", 0))
        if wanted > found:
            raise StudentError(
                f"{reason}, and {half.config.model_type} has positions for {found}; lower it"
            )


@contextmanager
def naming_row(example: Example) -> Iterator[None]:
    """Within the context, a ``StudentError`` names the row."""
    try:
        yield
    except StudentError as error:
        raise StudentError(f"row {example.id!r}: {error}") from error
