"""The one training loop, for every method and family, on any number of devices."""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import DistributedType

from distilwhy.config import TrainingConfig
from distilwhy.core.method import TargetTask, TrainingRow
from distilwhy.core.task import Example
from distilwhy.core.training_summary import Evaluation, TrainingSummary
from distilwhy.errors import StudentError
from distilwhy.hardware import keeping_heap
from distilwhy.students.batch import to_device
from distilwhy.students.cpu.quick import QuickOnCpu
from distilwhy.students.encoding import TASKS, DrawnRow, EncodedRow, EncodedTarget, Truncator
from distilwhy.students.gradient_gate import opens_at
from distilwhy.students.network import Network
from distilwhy.students.student import Student
from distilwhy.students.training.checkpoint import Checkpoint, TrainingState
from distilwhy.students.training.compiled_layers import CompiledLayers
from distilwhy.students.training.loss import Losses, WeightedLoss, faded_factor
from distilwhy.students.training.optimizer import learning_rate, make_optimizer, set_learning_rate
from distilwhy.students.training.precision import open_accelerator
from distilwhy.students.training.sampler import BatchOrder, split_batch
from distilwhy.students.training.tracking import UNTRACKED, TrackedRun, open_trackers

MAX_GRADIENT_NORM = 1.0
GPU_CHECKED_EVERY = 10

OnEvaluation = Callable[[Evaluation], None]
OnStep = Callable[[int, int], None]


def train(
    student: Student,
    rows: Sequence[TrainingRow],
    validation: Sequence[Example],
    config: TrainingConfig,
    seed: int,
    folder: Path,
    *,
    tracked: TrackedRun = UNTRACKED,
    on_evaluation: OnEvaluation = lambda evaluation: None,
    on_step: OnStep = lambda step, steps: None,
    say: Callable[[str], None] = lambda line: None,
) -> TrainingSummary:
    """Train a student in place, and leave it with the weights that did best on validation.

    Every evaluation saves a checkpoint in ``folder``, and a training that finds one there resumes
    from it. On a CPU it ends with the same weights as one that was never interrupted. Started by
    ``torchrun`` or ``accelerate launch``, every process calls this with the same arguments, and
    each takes its share of every batch.

    Args:
        validation: Selects the checkpoint; each row's ``gold`` is the label to match.
        config: Only its first learning rate is used.
        seed: Decides the batches and dropout.
        on_step: Called after every step, with the steps done and the steps to do.
        say: Called with a message if a checkpoint cannot be read, or layers cannot be compiled.

    Raises:
        BrokenCheckpointError: if none of the checkpoints in ``folder`` can be read. Discard the
            student then.
        StudentError: if there are no rows, a batch cannot be split as configured, a tracker cannot
            be opened, or the loss is not finite.
    """
    if not rows:
        raise StudentError("there are no rows to train on; annotate first, or give gold labels")
    truncator = Truncator(student.spec.config)
    encoded = [student.network.encode(row, truncator) for row in rows]
    loop = TrainingLoop(student.network, encoded, validation, config, seed, folder, say)
    loop.checkpoint.resume(say)
    state = loop.state
    with open_trackers(tracked, state.step, folder) as log:

        def evaluated(evaluation: Evaluation) -> None:
            log(evaluation.step, _tracked_values(evaluation, config))
            on_evaluation(evaluation)

        loop.run(evaluated, on_step)
    return TrainingSummary(
        rows=len(rows),
        steps=state.step,
        best_step=state.best_step,
        validation_accuracy=state.best_accuracy,
        lr=config.rates[0],
        parameters=student.network.size,
        precision=loop.precision,
        processes=loop.accelerator.num_processes,
        seconds=round(state.seconds, 1),
        truncation=truncator.counts(),
        log=state.log,
    )


class TrainingLoop:
    """One training in progress, in one of one or more processes.

    Raises:
        StudentError: if a batch cannot be split as configured.
    """

    def __init__(
        self,
        network: Network,
        rows: list[EncodedRow],
        validation: Sequence[Example],
        config: TrainingConfig,
        seed: int,
        folder: Path,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.network, self.validation = network, validation
        self.config, self.seed = config, seed
        self.state = TrainingState()
        self.precision, self.accelerator = open_accelerator(config.precision, network.width)
        self.checkpoint = Checkpoint(folder, self.accelerator)
        self.is_sharded = self.accelerator.distributed_type == DistributedType.FSDP
        self.parts = config.accumulate * self.accelerator.num_processes
        self.order = BatchOrder(rows, config.batch_size, seed)
        self.has_rationales = any(map(_has_rationale, (v for row in rows for v in row.variants)))
        most = min(config.batch_size, len(rows))
        if self.parts > most:
            raise StudentError(
                f"a batch of {most} rows cannot be split into {self.parts} parts "
                f"(training.accumulate {config.accumulate} in each of "
                f"{self.accelerator.num_processes} processes); raise training.batch_size, or "
                "lower training.accumulate"
            )
        # A sharded network cannot generate or be saved: a whole copy stays in the main process.
        trained = copy.deepcopy(network) if self.is_sharded else network
        loss = WeightedLoss(trained, config)
        self.quick = QuickOnCpu(trained.model, self.accelerator.device, network.width)
        if config.gradient_checkpointing:
            self.quick.checkpoint_activations(trained.model)
        self.compiled = CompiledLayers(trained, self.accelerator.device, config, say)
        self.gate = trained.gate
        optimizer = make_optimizer(loss, config)
        if self.accelerator.is_main_process or not self.is_sharded:
            self.network.to(self.accelerator.device)
        self.loss, self.optimizer = self.accelerator.prepare(loss, optimizer)
        if hasattr(self.loss, "set_reduce_scatter_unused_params"):
            # Otherwise FSDP 2 waits forever for a process whose rows have no rationale.
            self.loss.set_reduce_scatter_unused_params(True)
        self.parameters = list(self.loss.parameters())
        self.accelerator.register_for_checkpointing(self.state)

    def run(self, on_evaluation: OnEvaluation, on_step: OnStep) -> None:
        """Take the remaining steps, and leave the network with its best weights."""
        none = torch.zeros(2, 2, device=self.accelerator.device)
        sums, state = none, self.state
        start = opens_at(self.config.steps) if self.gate else 0
        with keeping_heap():
            while state.step < self.config.steps and not state.has_converged(
                self.config.patience, start
            ):
                started = time.monotonic()
                sums = sums + self.step()
                self._check_finite(sums)
                on_step(state.step, self.config.steps)
                state.seconds += time.monotonic() - started
                if state.step % self.config.evaluate_every == 0 or state.step == self.config.steps:
                    on_evaluation(self._evaluate(sums))
                    sums = none
        self.network.load_state_dict(self.checkpoint.load_best())
        self.network.eval()

    def step(self) -> torch.Tensor:
        """Do one update; ``[tasks, 2]``: the batch's summed weighted losses and summed weights."""
        drawn = self.order.draw(self.state.step)
        set_learning_rate(self.optimizer, self.config, self.state.step)
        self._set_gate()
        self.loss.train()
        sums: torch.Tensor = self.compiled.run(lambda: self._gradients(drawn))
        sums = self.accelerator.reduce(sums)
        # Where weights are sharded, a missing gradient is 0; so it is everywhere.
        for parameter in self.parameters:
            if parameter.requires_grad and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.accelerator.clip_grad_norm_(self.parameters, MAX_GRADIENT_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.state.step += 1
        self.state.tokens += sum(row.tokens for row in drawn)
        return sums

    def _gradients(self, drawn: Sequence[DrawnRow]) -> torch.Tensor:
        """Leave this process's gradients of a batch, and return its losses and weights."""
        self.optimizer.zero_grad(set_to_none=True)
        sums: torch.Tensor = torch.zeros(2, 2, device=self.accelerator.device)
        own = self._own_parts(drawn)
        for part, rows in own:
            is_last = part == own[-1][0]
            with nullcontext() if is_last else self.accelerator.no_sync(self.loss):
                sums += self._backward(part, rows, len(drawn))
        return sums

    def _check_finite(self, sums: torch.Tensor) -> None:
        """Check the losses since the last evaluation, now and then: a GPU must be waited for."""
        step, config, on_gpu = self.state.step, self.config, sums.device.type == "cuda"
        is_due = step % GPU_CHECKED_EVERY == 0 or step % config.evaluate_every == 0
        if on_gpu and not is_due and step < config.steps:
            return
        loss = sums[:, 0].sum().item()
        if not math.isfinite(loss):
            raise StudentError(
                f"the loss is {loss} {'by' if on_gpu else 'at'} step {step}; lower training.lr or "
                "set training.precision to fp32"
            )

    def _set_gate(self) -> None:
        if self.gate is None:
            return
        weighs = self.network.spec.method.weighs_rationales
        weight = self.config.weights[0] if weighs else 1.0
        self.gate.set(self.state.step, self.config.steps, weight * self._factor)

    @property
    def _factor(self) -> float:
        """What multiplies the rationale's loss in this step."""
        is_faded = self.config.weighting == "faded"
        return faded_factor(self.state.step, self.config.steps) if is_faded else 1.0

    def _own_parts(self, drawn: Sequence[DrawnRow]) -> list[tuple[int, list[DrawnRow]]]:
        """This process's parts of a batch, with their numbers."""
        each = self.config.accumulate
        first = self.accelerator.process_index * each
        return list(enumerate(split_batch(drawn, self.parts)))[first : first + each]

    def _with_rationale(self, rows: Sequence[DrawnRow]) -> Sequence[DrawnRow]:
        """The rows, with a rationale of weight 0 if they have none and the weights are sharded.

        All processes gather sharded weights layer by layer, so all must run the same layers.
        """
        has_rationale = any(_has_rationale(row.targets) for row in rows)
        if has_rationale or not (self.is_sharded and self.has_rationales):
            return rows
        first, *others = rows
        empty = replace(first.targets[0], task="rationale", weight=0.0)
        return [DrawnRow(first.row, (*first.targets, empty)), *others]

    def _backward(self, part: int, rows: Sequence[DrawnRow], batch_rows: int) -> torch.Tensor:
        """Add the gradient of a part of the batch, one of ``batch_rows`` rows in all.

        Dropout depends on the seed, the step and the part only.
        """
        torch.manual_seed((self.seed << 32) + self.state.step * self.parts + part)
        with self.quick():
            losses = self._losses(self.loss, rows, batch_rows)
            # Gradients are averaged over processes, but the loss is a share of the whole batch.
            self.accelerator.backward(losses.total * self.accelerator.num_processes)
        none = torch.zeros(2, device=self.accelerator.device)
        return torch.stack([losses.sums.get(task, none) for task in TASKS])

    def _losses(self, loss: Any, rows: Sequence[DrawnRow], batch_rows: int) -> Losses:
        batch = to_device(self.network.collate(self._with_rationale(rows)), self.accelerator.device)
        losses: Losses = loss(batch, self._factor, batch_rows, len(rows) / batch_rows)
        return losses

    def _evaluate(self, sums: torch.Tensor) -> Evaluation:
        """Evaluate, save the best weights, then the state: a kill in between loses nothing."""
        started, state = time.monotonic(), self.state
        whole, own = self.accelerator.get_state_dict(self.loss), "network."
        weights = {k.removeprefix(own): v for k, v in whole.items() if k.startswith(own)}
        evaluation = Evaluation(
            state.step,
            self.config.steps,
            {t: (s / w).item() for t, (s, w) in zip(TASKS, sums, strict=True) if w},
            self._gradient_norms(),
            self._accuracy(weights),
            state.tokens,
        )
        is_best = state.add(evaluation)
        state.seconds += time.monotonic() - started
        if is_best:
            self.checkpoint.save_best(weights)
        self.checkpoint.save()
        return evaluation

    def _accuracy(self, weights: dict[str, torch.Tensor]) -> float:
        """Accuracy on validation; each process predicts its share of the rows."""
        workers, index = self.accelerator.num_processes, self.accelerator.process_index
        if self.is_sharded:
            # Only the main process gathers the whole weights.
            workers = 1
            if index == 0:
                self.network.load_state_dict(weights)
        self.network.eval()
        own = self.validation[index::workers] if index < workers else []
        predictions = Student(self.network).predict(own)
        same = self.network.spec.task.answer.same
        correct = sum(same(p.label, e.gold) for p, e in zip(predictions, own, strict=True))
        counted = torch.tensor(float(correct), device=self.accelerator.device)
        return float(self.accelerator.reduce(counted).item()) / len(self.validation)

    def _gradient_norms(self) -> dict[TargetTask, float]:
        """The gradient norm of each task's part of the loss, without dropout.

        Measured on this process's share of the last batch; behind a gate, on the encoder alone.
        Empty for a sharded network, one that checkpoints activations, and a batch of one task.
        """
        drawn = self.order.draw(self.state.step - 1)
        tasks = {target.task for row in drawn for target in row.targets}
        if self.is_sharded or self.config.gradient_checkpointing or len(tasks) < 2:
            return {}
        loss = self.accelerator.unwrap_model(self.loss).eval()
        whole = loss.network.model if self.gate else loss.network
        parameters = [p for p in whole.parameters() if p.requires_grad]
        _, rows = self._own_parts(drawn)[0]
        with self.accelerator.autocast():
            losses = self._losses(loss, rows, len(rows))
        norms = {t: norm(gradients(part, parameters)) for t, part in losses.tasks.items()}
        if self.gate and len(norms) > 1:
            # The rationale's gradient depends on the label's, so it is what it adds to that.
            parts = (losses.tasks["label"], sum(losses.tasks.values()))
            alone, both = (gradients(torch.as_tensor(part), parameters) for part in parts)
            norms["rationale"] = norm(b - a for a, b in zip(alone, both, strict=True))
        return norms


def gradients(loss: torch.Tensor, parameters: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
    """The gradient of a loss on each of the parameters, as fp32; zeros where it has none."""
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    for gradient, parameter in zip(found, parameters, strict=True):
        yield torch.zeros_like(parameter) if gradient is None else gradient.float()


def norm(gradient: Iterable[torch.Tensor]) -> float:
    """The norm of a gradient over all parameters."""
    return math.sqrt(sum(float(part.pow(2).sum()) for part in gradient))


def _tracked_values(evaluation: Evaluation, config: TrainingConfig) -> dict[str, float]:
    """An evaluation as trackers log it."""
    return {
        **{f"loss/{task}": loss for task, loss in evaluation.losses.items()},
        **{f"gradient/{task}": norm for task, norm in evaluation.gradients.items()},
        "learning_rate": learning_rate(config, evaluation.step - 1),
        "validation_accuracy": evaluation.validation_accuracy,
    }


def _has_rationale(targets: Sequence[EncodedTarget]) -> bool:
    return any(target.task == "rationale" for target in targets)
