"""The one training loop, for every method and every family, on any number of devices."""

import copy
import math
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import DistributedType

from distilwhy.config import TrainingConfig
from distilwhy.core.method import TargetTask, TrainingRow
from distilwhy.core.task import Example
from distilwhy.core.training_summary import Evaluation, TrainingSummary
from distilwhy.errors import StudentError
from distilwhy.students.network import (
    DrawnRow,
    EncodedRow,
    EncodedTarget,
    Lengths,
    Network,
    move,
)
from distilwhy.students.student import Student
from distilwhy.students.training.loss import Losses, Objective, staged_factor
from distilwhy.students.training.precision import open_accelerator
from distilwhy.students.training.sampler import BatchOrder, split
from distilwhy.students.training.tracking import UNTRACKED, Tracked, open_trackers

GRADIENT_NORM = 1.0
TASKS: tuple[TargetTask, ...] = ("label", "rationale")
_STATE, _BEST = "state", "best.pt"


@dataclass
class Progress:
    """Where a training is: all of what a resumed one needs beside weights and optimizer."""

    step: int = 0
    best_step: int = 0
    improved_step: int = 0
    best_accuracy: float = -1.0
    seconds: float = 0.0
    log: list[Evaluation] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.log = [Evaluation(**line) for line in state["log"]]


Watch = Callable[[Evaluation], None]
Tick = Callable[[int, int], None]


def train(
    student: Student,
    rows: Sequence[TrainingRow],
    validation: Sequence[Example],
    config: TrainingConfig,
    seed: int,
    folder: Path,
    *,
    tracked: Tracked = UNTRACKED,
    watch: Watch = lambda report: None,
    tick: Tick = lambda step, steps: None,
) -> TrainingSummary:
    """Train a student in place; leave it with the weights that did best on validation.

    A checkpoint is kept in ``folder`` at every evaluation; a training that finds one there goes
    on from it, and ends, on a CPU, with the same weights as one that was never stopped. Run by
    ``torchrun`` or ``accelerate launch``, every process calls this with the same arguments, and
    each takes its share of every batch.

    Args:
        rows: What to train on.
        validation: What to select by; each row's ``gold`` is the label to be matched.
        config: Its first learning rate is the one that is used.
        tracked: How trackers are to show it, if any are.
        watch: Called after every evaluation.
        tick: Called after every step with the steps done and to do.

    Raises:
        StudentError: if there are no rows, a batch cannot be split as asked, a tracker cannot be
            opened, or the loss is no number.
    """
    if not rows:
        raise StudentError("there are no rows to train on; annotate first, or give gold labels")
    lengths = Lengths(student.brief.limits)
    encoded = [student.network.encode(row, lengths) for row in rows]
    loop = _Loop(student.network, encoded, validation, config, seed, folder)
    loop.resume()
    progress = loop.progress
    with open_trackers(tracked, progress.step, folder) as log:

        def hear(report: Evaluation) -> None:
            log(report.step, _values(report, config))
            watch(report)

        loop.run(hear, tick)
    return TrainingSummary(
        rows=len(rows),
        steps=progress.step,
        best_step=progress.best_step,
        validation_accuracy=progress.best_accuracy,
        lr=config.rates[0],
        parameters=student.network.size,
        precision=loop.precision,
        processes=loop.accelerator.num_processes,
        seconds=round(progress.seconds, 1),
        truncation=lengths.truncation(),
        log=progress.log,
    )


def _count_right(student: Student, examples: Sequence[Example]) -> int:
    predictions = student.predict(examples)
    same = student.brief.task.answer.same
    return sum(same(p.label, e.gold) for p, e in zip(predictions, examples, strict=True))


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Linear warm-up, then linear decay to nothing at the last step."""
    warm = max(1, round(config.warmup * config.steps))
    rising = (step + 1) / warm
    falling = (config.steps - step) / max(1, config.steps - warm)
    return config.rates[0] * min(1.0, rising, falling)


def parameter_groups(objective: Objective, config: TrainingConfig) -> list[dict[str, Any]]:
    """What is trained, and by what factor of the learning rate.

    Weights that begin at random beside pretrained ones have farther to go than these, at a rate
    that would wipe them out; so theirs is ``training.fresh_lr_factor`` times as high. Liu &
    Lapata (2019, *Text Summarization with Pretrained Encoders*) give a pretrained encoder and
    its new decoder rates of their own in the same way.

    Returns:
        For each factor ``{"params": [...], "factor": ...}``.
    """
    fresh = {f"network.{name}" for name in objective.network.fresh}
    factors: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in objective.named_parameters():
        if parameter.requires_grad:
            factor = config.fresh_lr_factor if name in fresh else 1.0
            factors.setdefault(factor, []).append(parameter)
    return [{"params": found, "factor": factor} for factor, found in factors.items()]


def _values(report: Evaluation, config: TrainingConfig) -> dict[str, float]:
    """A report as trackers show it."""
    return {
        **{f"loss/{task}": loss for task, loss in report.losses.items()},
        **{f"gradient/{task}": norm for task, norm in report.gradients.items()},
        "learning_rate": learning_rate(config, report.step - 1),
        "validation_accuracy": report.validation_accuracy,
    }


class _Loop:
    """One training under way, in one of one or more processes."""

    def __init__(
        self,
        network: Network,
        rows: list[EncodedRow],
        validation: Sequence[Example],
        config: TrainingConfig,
        seed: int,
        folder: Path,
    ) -> None:
        self.network, self.validation = network, validation
        self.config, self.seed, self.folder = config, seed, folder
        self.progress = Progress()
        self.precision, self.accelerator = open_accelerator(config.precision, network.width)
        self.is_sharded = self.accelerator.distributed_type == DistributedType.FSDP
        self.parts = config.accumulate * self.accelerator.num_processes
        self.order = BatchOrder(rows, config.batch_size, seed)
        self.explains = any(map(_has_rationale, (v for row in rows for v in row.variants)))
        _check_split(min(config.batch_size, len(rows)), self.parts, config)
        if config.gradient_checkpointing:
            network.model.activation_checkpointing_enable()
        # A sharded network cannot be asked or saved: its twin stays whole, in the main process.
        trainee = copy.deepcopy(network) if self.is_sharded else network
        objective = Objective(trainee, config)
        optimizer = torch.optim.AdamW(
            parameter_groups(objective, config),
            lr=config.rates[0],
            weight_decay=config.weight_decay,
            fused=True,
        )
        if self.accelerator.is_main_process or not self.is_sharded:
            self.network.to(self.accelerator.device)
        self.objective, self.optimizer = self.accelerator.prepare(objective, optimizer)
        if hasattr(self.objective, "set_reduce_scatter_unused_params"):
            # In FSDP 2 a process that has no rationale would be waited for in vain.
            self.objective.set_reduce_scatter_unused_params(True)
        self.accelerator.register_for_checkpointing(self.progress)

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        state = self.folder / _STATE
        for place in (state, state.with_suffix(".old")):
            if place.is_dir():
                self.accelerator.load_state(str(place))
                return

    def run(self, watch: Watch, tick: Tick) -> None:
        """Take the steps that are left; leave the network with its best weights."""
        sums = torch.zeros(2, 2)
        while self.progress.step < self.config.steps and not self._is_spent():
            started = time.monotonic()
            sums += self._step()
            tick(self.progress.step, self.config.steps)
            self.progress.seconds += time.monotonic() - started
            if self._is_due():
                watch(self._evaluate(sums))
                sums = torch.zeros(2, 2)
        self.accelerator.wait_for_everyone()
        best = torch.load(self.folder / _BEST, map_location="cpu", weights_only=True)
        self.network.load_state_dict(best)
        self.network.eval()

    def _step(self) -> torch.Tensor:
        """One update; ``[tasks, 2]``: weighted losses and weights, summed over the batch."""
        drawn = self.order.draw(self.progress.step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["factor"] * learning_rate(self.config, self.progress.step)
        self.objective.train()
        sums: torch.Tensor = torch.zeros(2, 2, device=self.accelerator.device)
        mine = self._mine(drawn)
        for part, rows in mine:
            is_last = part == mine[-1][0]
            with nullcontext() if is_last else self.accelerator.no_sync(self.objective):
                sums += self._learn(part, rows, len(drawn))
        sums = self.accelerator.reduce(sums).cpu()
        if not math.isfinite(sums.sum().item()):
            raise StudentError(
                f"the loss is {sums[:, 0].sum().item()} at step {self.progress.step + 1}; lower "
                "training.lr or set training.precision to fp32"
            )
        self._fill_gradients()
        self.accelerator.clip_grad_norm_(self.objective.parameters(), GRADIENT_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        return sums

    def _fill_gradients(self) -> None:
        """What a batch did not need has a gradient of 0, as where weights are sharded."""
        for parameter in self.objective.parameters():
            if parameter.requires_grad and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)

    def _mine(self, drawn: Sequence[DrawnRow]) -> list[tuple[int, list[DrawnRow]]]:
        """The parts of a batch that this process takes, with their numbers."""
        each = self.config.accumulate
        first = self.accelerator.process_index * each
        return list(enumerate(split(drawn, self.parts)))[first : first + each]

    def _even(self, rows: Sequence[DrawnRow]) -> Sequence[DrawnRow]:
        """Sharded weights are gathered layer by layer, by all processes at once, so all must run
        the same layers: where rows have no rationale, one is added that counts for nothing."""
        if not (self.is_sharded and self.explains) or any(_has_rationale(r.targets) for r in rows):
            return rows
        first, *others = rows
        nothing = replace(first.targets[0], task="rationale", weight=0.0)
        return [DrawnRow(first.row, (*first.targets, nothing)), *others]

    def _learn(self, part: int, rows: Sequence[DrawnRow], whole: int) -> torch.Tensor:
        """Add a part's gradient. Dropout draws from the seed, the step and the part alone."""
        torch.manual_seed((self.seed << 32) + self.progress.step * self.parts + part)
        losses = self._losses(self.objective, rows, whole)
        # Gradients are averaged over processes; the loss is already a share of the whole batch.
        self.accelerator.backward(losses.total * self.accelerator.num_processes)
        none = torch.zeros(2, device=self.accelerator.device)
        return torch.stack([losses.sums.get(task, none) for task in TASKS])

    def _losses(self, objective: Any, rows: Sequence[DrawnRow], whole: int) -> Losses:
        batch = move(self.network.collate(self._even(rows)), self.accelerator.device)
        staged = self.config.weighting == "staged"
        factor = staged_factor(self.progress.step, self.config.steps) if staged else 1.0
        losses: Losses = objective(batch, factor, whole, len(rows) / whole)
        return losses

    def _is_due(self) -> bool:
        step = self.progress.step
        return step % self.config.evaluate_every == 0 or step == self.config.steps

    def _is_spent(self) -> bool:
        """Whether the last ``patience`` evaluations have brought nothing better."""
        patience, progress = self.config.patience, self.progress
        since = sum(report.step > progress.improved_step for report in progress.log)
        return patience is not None and since >= patience

    def _evaluate(self, sums: torch.Tensor) -> Evaluation:
        """Measure, keep the best weights, then checkpoint; a kill between the two costs nothing."""
        started, progress = time.monotonic(), self.progress
        weights = _network_weights(self.accelerator.get_state_dict(self.objective))
        report = Evaluation(
            progress.step,
            self.config.steps,
            {t: (s / w).item() for t, (s, w) in zip(TASKS, sums, strict=True) if w},
            self._gradient_norms(),
            self._accuracy(weights),
        )
        progress.log.append(report)
        is_best = report.validation_accuracy >= progress.best_accuracy
        if report.validation_accuracy > progress.best_accuracy:
            progress.improved_step = progress.step
        if is_best:
            progress.best_step = progress.step
            progress.best_accuracy = report.validation_accuracy
        progress.seconds += time.monotonic() - started
        if self.accelerator.is_main_process:
            self.folder.mkdir(parents=True, exist_ok=True)
            if is_best:
                _write(self.folder / _BEST, weights)
        self._checkpoint()
        return report

    def _accuracy(self, weights: dict[str, torch.Tensor]) -> float:
        """Accuracy on validation, each process asking its share of the rows."""
        workers, index = self.accelerator.num_processes, self.accelerator.process_index
        if self.is_sharded:
            # The whole weights are gathered in the main process alone.
            workers = 1
            if index == 0:
                self.network.load_state_dict(weights)
        self.network.eval()
        mine = self.validation[index::workers] if index < workers else []
        right = _count_right(Student(self.network), mine)
        counted = torch.tensor(float(right), device=self.accelerator.device)
        return float(self.accelerator.reduce(counted).item()) / len(self.validation)

    def _gradient_norms(self) -> dict[TargetTask, float]:
        """The norm of the gradient of each task's part of the loss, on this process's share of
        the last batch, without dropout. A network that is sharded, or that is to save memory, is
        not asked."""
        drawn = self.order.draw(self.progress.step - 1)
        tasks = {target.task for row in drawn for target in row.targets}
        if self.is_sharded or self.config.gradient_checkpointing or len(tasks) < 2:
            return {}
        objective = self.accelerator.unwrap_model(self.objective).eval()
        parameters = [p for p in objective.network.parameters() if p.requires_grad]
        _, rows = self._mine(drawn)[0]
        with self.accelerator.autocast():
            losses = self._losses(objective, rows, len(rows))
        norms = {}
        for task, loss in losses.tasks.items():
            found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            norms[task] = math.sqrt(
                sum(float(g.float().pow(2).sum()) for g in found if g is not None)
            )
        return norms

    def _checkpoint(self) -> None:
        """Write the state aside, then into place; the one before it stays until then."""
        state = self.folder / _STATE
        aside, old = state.with_suffix(".part"), state.with_suffix(".old")
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(aside), safe_serialization=False)
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            shutil.rmtree(old, ignore_errors=True)
            if state.exists():
                state.rename(old)
            aside.rename(state)
        self.accelerator.wait_for_everyone()


def _has_rationale(targets: Sequence[EncodedTarget]) -> bool:
    return any(target.task == "rationale" for target in targets)


def _check_split(rows: int, parts: int, config: TrainingConfig) -> None:
    if parts > rows:
        raise StudentError(
            f"a batch of {rows} rows cannot be split into {parts} parts (training.accumulate "
            f"{config.accumulate} in each of {parts // config.accumulate} processes); raise "
            "training.batch_size, or lower training.accumulate"
        )


def _network_weights(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of the network within those of its objective."""
    opening = "network."
    return {k.removeprefix(opening): v for k, v in state.items() if k.startswith(opening)}


def _write(path: Path, value: object) -> None:
    aside = path.with_suffix(".part")
    torch.save(value, aside)
    aside.replace(path)
