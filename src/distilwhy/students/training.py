"""The one training loop, for every method."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch.nn import functional
from transformers.modeling_outputs import BaseModelOutput

from distilwhy.config import TrainingConfig
from distilwhy.core.method import TargetTask, TrainingRow
from distilwhy.core.task import Example
from distilwhy.errors import StudentError
from distilwhy.students.batches import (
    IGNORED,
    Batch,
    BatchOrder,
    EncodedRow,
    Truncation,
    build_batch,
    encode_rows,
)
from distilwhy.students.student import Student

GRADIENT_NORM = 1.0
CPU_BF16_WIDTH = 512
_STATE, _BEST = "state.pt", "best.pt"


@dataclass(frozen=True)
class Report:
    """One line of a training's log.

    Attributes:
        step: Steps done.
        steps: Steps to do.
        losses: The mean loss of each task since the last report, λ not applied.
        validation_accuracy: A share of the validation rows.
    """

    step: int
    steps: int
    losses: dict[TargetTask, float]
    validation_accuracy: float


@dataclass(frozen=True)
class Trained:
    """How a training went."""

    rows: int
    steps: int
    best_step: int
    validation_accuracy: float
    parameters: int
    precision: str
    seconds: float
    truncation: dict[str, Truncation]
    log: list[Report]


@dataclass
class _Progress:
    """Where a training is: all of what a resumed one needs beside weights and optimizer."""

    step: int = 0
    best_step: int = 0
    best_accuracy: float = -1.0
    seconds: float = 0.0
    log: list[Report] = field(default_factory=list)


Watch = Callable[[Report], None]
Tick = Callable[[int, int], None]


class TwoTask(torch.nn.Module):
    """A student's losses on a batch: one pass of the encoder, one of the decoder per task."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> tuple[torch.Tensor, dict[TargetTask, torch.Tensor]]:
        """The loss to minimise, and the mean cross-entropy of each task.

        The loss is the mean over the batch's rows of Σ weight · CE over each row's targets, CE
        being averaged over the target's tokens (Hsieh et al. 2023, equation 3, with λ as the
        weight of a rationale).

        Returns:
            A scalar, and a scalar for each task that has targets.
        """
        encoder = self.model.get_encoder()
        hidden = encoder(input_ids=batch.source, attention_mask=batch.mask).last_hidden_state
        total, means = hidden.new_zeros((), dtype=torch.float32), {}
        for targets in batch.targets:
            logits = self.model(
                encoder_outputs=BaseModelOutput(last_hidden_state=hidden[targets.rows]),
                attention_mask=batch.mask[targets.rows],
                decoder_input_ids=targets.inputs,
                use_cache=False,
            ).logits
            losses = target_losses(logits, targets.labels)
            total = total + (targets.weights * losses).sum() / len(batch.source)
            means[targets.task] = losses.detach().mean()
        return total, means


def target_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of each target, averaged over its tokens.

    Args:
        logits: ``[targets, length, vocabulary]``.
        labels: ``[targets, length]``; -100 counts for nothing.

    Returns:
        ``[targets]``.
    """
    tokens = functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    ).view_as(labels)
    return tokens.sum(dim=1) / (labels != IGNORED).sum(dim=1).clamp(min=1)


def train(
    student: Student,
    rows: Sequence[TrainingRow],
    validation: Sequence[Example],
    config: TrainingConfig,
    seed: int,
    folder: Path,
    *,
    watch: Watch = lambda report: None,
    tick: Tick = lambda step, steps: None,
) -> Trained:
    """Train a student in place; leave it with the weights that did best on validation.

    A checkpoint is kept in ``folder`` at every evaluation; a training that finds one there goes
    on from it, and ends, on a CPU, with the same weights as one that was never stopped.

    Args:
        rows: What to train on.
        validation: What to select by; each row's ``gold`` is the label to be matched.
        watch: Called after every evaluation.
        tick: Called after every step with the steps done and to do.

    Raises:
        StudentError: if there are no rows.
    """
    if not rows:
        raise StudentError("there are no rows to train on; annotate first, or give gold labels")
    encoded, truncation = encode_rows(rows, student.backbone, student.limits)
    loop = _Loop(student, encoded, validation, config, seed, folder)
    loop.run(watch, tick)
    progress = loop.progress
    return Trained(
        rows=len(rows),
        steps=config.steps,
        best_step=progress.best_step,
        validation_accuracy=progress.best_accuracy,
        parameters=student.backbone.parameters,
        precision=loop.precision,
        seconds=round(progress.seconds, 1),
        truncation=truncation,
        log=progress.log,
    )


def accuracy(student: Student, examples: Sequence[Example]) -> float:
    """The share of examples whose ``gold`` the student answers."""
    predictions = student.predict(examples)
    same = student.task.answer.same
    right = [same(p.label, e.gold) for p, e in zip(predictions, examples, strict=True)]
    return sum(right) / len(right)


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Linear warm-up, then linear decay to nothing at the last step."""
    warm = max(1, round(config.warmup * config.steps))
    rising = (step + 1) / warm
    falling = (config.steps - step) / max(1, config.steps - warm)
    return config.learning_rate * min(1.0, rising, falling)


class _Loop:
    """One training under way."""

    def __init__(
        self,
        student: Student,
        rows: list[EncodedRow],
        validation: Sequence[Example],
        config: TrainingConfig,
        seed: int,
        folder: Path,
    ) -> None:
        self.student, self.rows, self.validation = student, rows, validation
        self.config, self.seed, self.folder = config, seed, folder
        self.progress = _Progress()
        self.accelerator = Accelerator(mixed_precision="no")
        width = student.backbone.model.config.hidden_size
        self.precision = choose_precision(config.precision, self.accelerator.device, width)
        self.network = self.accelerator.prepare_model(TwoTask(student.backbone.model))
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.order = BatchOrder([len(row.source) for row in rows], config.batch_size, seed)

    def run(self, watch: Watch, tick: Tick) -> None:
        self._resume()
        sums: dict[TargetTask, float] = {}
        since = self.progress.step
        while self.progress.step < self.config.steps:
            started = time.monotonic()
            for task, loss in self._step().items():
                sums[task] = sums.get(task, 0.0) + loss
            tick(self.progress.step, self.config.steps)
            self.progress.seconds += time.monotonic() - started
            if self._is_due():
                count = self.progress.step - since
                watch(self._evaluate({task: total / count for task, total in sums.items()}))
                sums, since = {}, self.progress.step
        best = torch.load(self.folder / _BEST, map_location="cpu", weights_only=True)
        self.student.backbone.model.load_state_dict(best)
        self.student.backbone.model.eval()

    def _step(self) -> dict[TargetTask, float]:
        """One update. Dropout draws from the seed and the step alone."""
        step, model = self.progress.step, self.network
        torch.manual_seed((self.seed << 32) + step)
        chosen = [self.rows[index] for index in self.order.at(step)]
        batch = build_batch(chosen, self.student.backbone).to(self.accelerator.device)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, step)
        model.train()
        with self._autocast():
            loss, means = model(batch)
        if not math.isfinite(loss.item()):
            raise StudentError(
                f"the loss is {loss.item()} at step {step + 1}; lower training.learning_rate"
                " or set training.precision to fp32"
            )
        self.accelerator.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        return {task: mean.item() for task, mean in means.items()}

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.accelerator.device.type, dtype=torch.bfloat16)

    def _is_due(self) -> bool:
        step = self.progress.step
        return step % self.config.evaluate_every == 0 or step == self.config.steps

    def _evaluate(self, losses: dict[TargetTask, float]) -> Report:
        """Measure, keep the best weights, then checkpoint; a kill between the two costs nothing."""
        started, progress = time.monotonic(), self.progress
        model = self.student.backbone.model
        model.eval()
        found = accuracy(self.student, self.validation)
        report = Report(progress.step, self.config.steps, losses, found)
        progress.log.append(report)
        self.folder.mkdir(parents=True, exist_ok=True)
        if found >= progress.best_accuracy:
            progress.best_step, progress.best_accuracy = progress.step, found
            _write(self.folder / _BEST, model.state_dict())
        progress.seconds += time.monotonic() - started
        state = {
            "progress": asdict(progress),
            "model": model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        _write(self.folder / _STATE, state)
        return report

    def _resume(self) -> None:
        path = self.folder / _STATE
        if not path.is_file():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.student.backbone.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        saved = state["progress"]
        self.progress = _Progress(**{**saved, "log": [Report(**line) for line in saved["log"]]})


def _write(path: Path, value: object) -> None:
    aside = path.with_suffix(".part")
    torch.save(value, aside)
    aside.replace(path)


def choose_precision(wanted: str, device: torch.device, width: int) -> str:
    """``fp32`` or ``bf16``: as wanted, or for ``auto`` bf16 where the hardware computes in it.

    On a CPU only models of some width gain from it (see ``benchmarks/precision.py``).

    Args:
        width: The model's hidden size.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    native = found.get("avx512_bf16") or found.get("amx_bf16")
    return "bf16" if device.type == "cpu" and native and width >= CPU_BF16_WIDTH else "fp32"
