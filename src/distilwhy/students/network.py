"""What the families of students share.

A family is a network that turns training rows into batches, batches into losses, and examples
into what it writes. The training loop and ``Student`` know no more of it than this page.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from distilwhy.config import StudentConfig
from distilwhy.core.method import Method, Target, TargetTask, TrainingRow
from distilwhy.core.task import Example, Task
from distilwhy.core.training_summary import Truncation
from distilwhy.errors import StudentError
from distilwhy.students.pretrained import read_fresh

IGNORED = -100
PREFIXES: dict[TargetTask, str] = {"label": "predict: ", "rationale": "explain: "}


@dataclass(frozen=True)
class StudentSpec:
    """What a student is for.

    Attributes:
        task: What it answers.
        method: How it is taught.
        limits: Its lengths, in tokens, and its shape.
        two_passes: Whether each task has a pass of its own over the source, with a prefix that
            names the task (Hsieh et al. 2023, section 3.2), and not one pass for both.
    """

    task: Task
    method: Method
    limits: StudentConfig
    two_passes: bool = False

    @property
    def chooses(self) -> bool:
        """Whether it answers with one of some choices."""
        return self.task.answer.kind == "choice"

    def source(self, text: str, task: TargetTask) -> str:
        """What is read to do a task for a text; one sequence for both is the label's."""
        if not self.two_passes:
            return text
        return PREFIXES[task if self.method.place == "apart" else "label"] + text


@dataclass(frozen=True)
class EncodedTarget:
    """One target as token ids.

    Attributes:
        task: Whose target it is.
        opening: What the student is given before it writes.
        ids: What it is to write, its end among them.
        weight: Its share in the row's loss.
        temperature: What its logits are divided by.
        source: Which of the row's sources it belongs to.
        choice: The index of its label among the row's choices, for a head that chooses.
    """

    task: TargetTask
    opening: list[int]
    ids: list[int]
    weight: float = 1.0
    temperature: float = 1.0
    source: int = 0
    choice: int | None = None


@dataclass(frozen=True)
class EncodedRow:
    """One training row as token ids.

    Attributes:
        sources: What is read: one source for all the targets, or one for each task.
        variants: Sets of targets, one of which is drawn each epoch.
        options: The row's own options, a list of ids each, where the network reads them apart.
    """

    sources: tuple[list[int], ...]
    variants: tuple[tuple[EncodedTarget, ...], ...]
    options: tuple[list[int], ...] = ()

    @property
    def length(self) -> int:
        """The number of tokens that are read."""
        return sum(map(len, self.sources)) + sum(map(len, self.options))


@dataclass(frozen=True)
class DrawnRow:
    """A row with the set of targets that is trained on in one step."""

    row: EncodedRow
    targets: tuple[EncodedTarget, ...]


@dataclass
class Lengths:
    """Counts the texts that are cut, part by part: ``input``, ``label``, ``rationale``."""

    limits: StudentConfig
    found: dict[str, list[tuple[int, bool]]] = field(default_factory=dict)

    def cut(self, part: str, ids: list[int], end: int = 0, *, is_choice: bool = False) -> list[int]:
        """The first ids that fit, the last ``end`` of them kept; all those of a choice, which
        would be none any more."""
        limit = self.limit(part)
        is_cut = len(ids) > limit and not is_choice
        self.found.setdefault(part, []).append((len(ids), is_cut))
        if not is_cut:
            return ids
        return ids[: limit - end] + (ids[-end:] if end else [])

    def limit(self, part: str) -> int:
        return int(getattr(self.limits, f"max_{part}_tokens"))

    def truncation(self) -> dict[str, Truncation]:
        """What was cut of each part that was seen."""
        return {
            part: Truncation(
                sum(is_cut for _, is_cut in many),
                len(many),
                max(length for length, _ in many),
                self.limit(part),
            )
            for part, many in self.found.items()
        }


@dataclass(frozen=True)
class TaskOutput:
    """What a network makes of the targets of one task in a batch.

    Attributes:
        task: Whose targets they are.
        rows: ``[targets]``: the row of the batch that each belongs to.
        losses: ``[targets]``: the cross-entropy of each, averaged over its tokens.
        weights: ``[targets]``: its share in the row's loss.
        pooled: ``[targets, classes]``: the logits of the label's distribution as this task sees
            it: averaged over the target's positions, or the head's. None where the network does
            not pool.
    """

    task: TargetTask
    rows: torch.Tensor
    losses: torch.Tensor
    weights: torch.Tensor
    pooled: torch.Tensor | None


@dataclass(frozen=True)
class Written:
    """What a student wrote for one example; "" for the part that it was not to write."""

    label: str = ""
    rationale: str = ""


@dataclass(frozen=True)
class Shape:
    """What a model's memory and time depend on; ``layers`` are those of both its halves."""

    width: int
    layers: int
    vocabulary: int


def check_positions(half: Any, wanted: int, said: str) -> None:
    """See to it that an encoder or a decoder has positions for what it is to read.

    Args:
        wanted: For how many tokens.
        said: Which settings ask for them.

    Raises:
        StudentError: if it has fewer; many models count positions relatively, and have no end.
    """
    for name, part in half.named_modules():
        is_table = name.endswith(("position_embeddings", "embed_positions"))
        if not is_table or not isinstance(part, torch.nn.Embedding):
            continue
        # RoBERTa counts from behind the one of padding, BART from an offset of its own.
        skipped = 0 if part.padding_idx is None else part.padding_idx + 1
        found = part.num_embeddings - skipped - int(getattr(part, "offset", 0))
        if wanted > found:
            raise StudentError(
                f"{said}, and {half.config.model_type} has positions for {found}; lower it"
            )


def read_shape(config: Any) -> Shape:
    """The shape that a transformers config tells of."""

    def first(*names: str) -> int:
        found: list[Any] = [getattr(config, name, None) for name in names]
        return int(next(filter(None, found), 0))

    layers = first("encoder_layers", "num_hidden_layers")
    layers += first("decoder_layers", "num_decoder_layers")
    return Shape(first("hidden_size"), layers, first("vocab_size"))


class Network(torch.nn.Module, ABC):
    """A student's model and tokenizer, made ready for what its brief asks.

    Attributes:
        pools: Whether ``forward`` is to give pooled logits too.
    """

    def __init__(self, model: Any, tokenizer: Any, brief: StudentSpec) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.brief = brief
        self.pools = False

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def explains(self) -> bool:
        """Whether it can write rationales, if its method teaches any."""
        return True

    @property
    def fresh(self) -> frozenset[str]:
        """The names of its parameters that begin at random beside pretrained ones."""
        return frozenset(f"model.{name}" for name in read_fresh(self.model))

    @property
    def shape(self) -> Shape:
        """The sizes of the model."""
        return read_shape(self.model.config)

    @property
    def width(self) -> int:
        """The size of a hidden state."""
        return self.shape.width

    @property
    def size(self) -> int:
        """The number of parameters, shared ones counted once."""
        return sum(p.numel() for p in self.parameters())

    @abstractmethod
    def encode(self, row: TrainingRow, lengths: Lengths) -> EncodedRow:
        """A training row as token ids, cut to the student's lengths."""

    @abstractmethod
    def collate(self, rows: Sequence[DrawnRow]) -> Any:
        """Rows as padded tensors: a frozen dataclass, which ``move`` brings to a device."""

    @abstractmethod
    def forward(self, batch: Any) -> list[TaskOutput]:
        """The losses of a batch, for each task that has targets in it."""

    @abstractmethod
    def sources(
        self, task: TargetTask, examples: Sequence[Example], lengths: Lengths
    ) -> list[list[int]]:
        """What is read of the text of each example, cut to the student's lengths."""

    @abstractmethod
    def check_choices(self, choices: Sequence[str]) -> None:
        """See to it that a row can have these choices.

        Raises:
            StudentError: if there is no room for them, or they cannot be told apart.
        """

    def check_rows(self, examples: Iterable[Example]) -> None:
        """The same for the own options of each row, which is named where it cannot."""
        for example in examples:
            with naming(example):
                self.check_choices(example.options)

    @abstractmethod
    def write(self, task: TargetTask, examples: Sequence[Example]) -> list[Written]:
        """What the student writes for each example, by greedy decoding.

        With ``label`` it writes no more than it takes to have the label.

        Raises:
            StudentError: if it cannot do that task.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the weights and the tokenizer, so that plain ``transformers`` loads them."""


@contextmanager
def naming(example: Example) -> Iterator[None]:
    """Within it what is wrong with a row is said with its id."""
    try:
        yield
    except StudentError as error:
        raise StudentError(f"row {example.id!r}: {error}") from error


def targets_of(row: TrainingRow) -> list[tuple[Target, ...]]:
    """All the sets of targets of a row."""
    return [row.targets, *row.others]


def temperatures(targets: Sequence[EncodedTarget]) -> torch.Tensor | None:
    """``[targets]``: what the logits of each are divided by; None where that is 1 for all."""
    found = [target.temperature for target in targets]
    return None if set(found) == {1.0} else torch.tensor(found)


def move(value: Any, device: torch.device) -> Any:
    """A batch, or what is in it, on another device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        return tuple(move(item, device) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        moved = {field.name: move(getattr(value, field.name), device) for field in fields(value)}
        return replace(value, **moved)
    return value


def pad(rows: Sequence[Sequence[float]], filler: float, left: bool = False) -> torch.Tensor:
    """Rows of unlike length as one ``[rows, longest]`` tensor."""
    longest = max(map(len, rows))
    gaps = [[filler] * (longest - len(row)) for row in rows]
    return torch.tensor(
        [[*gap, *row] if left else [*row, *gap] for row, gap in zip(rows, gaps, strict=True)]
    )


@contextmanager
def logits_at(model: Any, *places: torch.Tensor) -> Iterator[None]:
    """Within it a model's output layer reads the states at these places alone, as one sequence.

    Logits over a whole vocabulary are most of a small model's work, and padding needs none. A
    hook, since what models do to their logits afterwards (T5 scales them, BART adds to them,
    Gemma 2 caps them) is to stay as it is.

    Args:
        places: An index into ``[sequences, length]``: a mask, or rows and columns.
    """
    handle = model.get_output_embeddings().register_forward_pre_hook(
        lambda layer, given: (given[0][places][None],)
    )
    try:
        yield
    finally:
        handle.remove()


def target_losses(
    logits: torch.Tensor, labels: torch.Tensor, temperatures: torch.Tensor | None = None
) -> torch.Tensor:
    """The cross-entropy of each target, averaged over its tokens.

    Args:
        logits: ``[positions, vocabulary]``: of the positions that have a label, target after
            target.
        labels: ``[targets, length]``; -100 counts for nothing.
        temperatures: ``[targets]``: what logits are divided by; None: by 1.

    Returns:
        ``[targets]``.
    """
    real, told = labels != IGNORED, logits.float()
    if temperatures is not None:
        told = told / temperatures[:, None].expand_as(labels)[real][:, None]
    tokens = functional.cross_entropy(told, labels[real], reduction="none")
    spread = torch.zeros(labels.shape, dtype=tokens.dtype, device=tokens.device)
    return spread.masked_scatter(real, tokens).sum(dim=1) / real.sum(dim=1).clamp(min=1)


def pooled_logits(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Logits averaged over the positions of each target.

    Args:
        logits: ``[positions, vocabulary]``, as above, or ``[targets, length, vocabulary]``.
        labels: ``[targets, length]``; positions of -100 count for nothing.

    Returns:
        ``[targets, vocabulary]``.
    """
    real = labels != IGNORED
    told = (logits[real] if logits.dim() == 3 else logits).float()
    owners = torch.arange(len(labels), device=labels.device)[:, None].expand_as(labels)[real]
    sums = torch.zeros(len(labels), told.shape[1], device=told.device)
    return sums.index_add(0, owners, told) / real.sum(dim=1, keepdim=True).clamp(min=1)
