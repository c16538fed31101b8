"""What training minimises: the losses of the two tasks and their weighting."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from distilwhy.config import TrainingConfig
from distilwhy.core.method import TargetTask
from distilwhy.students.gradient_gate import GradientGate
from distilwhy.students.logits import TaskOutput
from distilwhy.students.network import Network

LABEL_ONLY_UNTIL, FADE_FROM = 0.1, 0.5


@dataclass(frozen=True)
class Losses:
    """The losses of a batch, or of a part of one.

    Attributes:
        total: The scalar to minimise, already divided by the rows of the whole batch.
        sums: ``[2]`` for each task: the sum of weight · cross-entropy and the sum of weights.
            Their ratio is the task's mean loss, whatever λ is.
    """

    total: torch.Tensor
    tasks: dict[TargetTask, torch.Tensor]
    sums: dict[TargetTask, torch.Tensor]


class WeightedLoss(torch.nn.Module):
    """A network and the weighting of its two tasks.

    With B rows in a batch, CE the cross-entropy of a target averaged over its tokens, and w its
    weight in its row (1 for a label, λ for a rationale; Hsieh et al. 2023, equation 3):

        L_task = 1/B · Σ w · CE                     over the task's targets
        fixed:        L = L_label + L_rationale
        faded:        L = L_label + c(step) · L_rationale, with c of ``faded_factor``
        uncertainty:  L = Σ_task exp(−s_task) · L_task + s_task / 2, s_task = log σ²_task learnt
                      (Kendall, Gal & Cipolla 2018, *Multi-Task Learning Using Uncertainty to
                      Weigh Losses*, equation 10)

    All of them add γ · ``agreement``, with γ = ``training.agreement``.
    """

    def __init__(self, network: Network, config: TrainingConfig) -> None:
        super().__init__()
        self.network = network
        self._agreement = config.agreement
        network.pools = config.agreement > 0
        network.gate = GradientGate() if config.rationale_gate and network.takes_gate else None
        self.log_variances: Any = None
        if config.weighting == "uncertainty":
            method, tasks = network.spec.method, ["label"]
            if method.writes_rationales and method.place == "apart":
                tasks.append("rationale")
            self.log_variances = torch.nn.ParameterDict(
                {task: torch.nn.Parameter(torch.zeros(1)) for task in tasks}
            )

    def forward(self, batch: Any, factor: float, rows: int, share: float) -> Losses:
        """The losses of a batch, or of a part of one.

        Args:
            factor: c, which multiplies the rationale's loss.
            rows: B, the rows of the whole batch.
            share: The fraction of those rows that are in this part.
        """
        outputs: list[TaskOutput] = self.network(batch)
        tasks, sums = {}, {}
        for output in outputs:
            weighted = (output.weights * output.losses).sum()
            scale = factor if output.task == "rationale" else 1.0
            loss = weighted / rows
            if self.log_variances is not None:
                loss = torch.exp(-self.log_variances[output.task].squeeze()) * loss
            tasks[output.task] = scale * loss
            sums[output.task] = torch.stack([weighted.detach(), output.weights.sum()])
        total = torch.stack(list(tasks.values())).sum()
        if self.log_variances is not None:
            # Both terms are added to every part, so that splitting a batch changes nothing.
            total = total + share * torch.stack(list(self.log_variances.values())).sum() / 2
        if self._agreement and factor:
            total = total + self._agreement * agreement(outputs) / rows
        return Losses(total, tasks, sums)


def faded_factor(step: int, steps: int) -> float:
    """c of the faded weighting: 0 for the first tenth of the steps, then 1, and from the middle
    on it falls linearly to 0."""
    done = step / steps
    if done < LABEL_ONLY_UNTIL:
        return 0.0
    return min(1.0, (1 - done) / (1 - FADE_FROM))


def agreement(outputs: list[TaskOutput]) -> torch.Tensor:
    """How far the label distribution of the rationale task is from that of the label task.

    The sum over rows of the cross-entropy H(p, q) = −Σ_v p(v) · log q(v), where p is the softmax
    of the label's pooled logits, held fixed, and q that of the rationale's. Minimising it raises a
    lower bound of the mutual information of the two tasks (Chen et al. 2024, *Learning to
    Maximize Mutual Information for Chain-of-Thought Distillation*, arXiv 2403.03348, section 3).
    Logits are averaged over a target's positions. Several rationales of a row count as their mean.
    0 where no row has both tasks.

    Raises:
        ValueError: if the network returned no pooled logits.
    """
    found = {output.task: output for output in outputs}
    if len(found) < 2:
        return outputs[0].losses.new_zeros(())
    label, rationale = found["label"], found["rationale"]
    if label.pooled is None or rationale.pooled is None:
        raise ValueError("the network returned no pooled logits; set its 'pools'")
    size = int(torch.cat([label.rows, rationale.rows]).max()) + 1
    indices = torch.arange(len(label.rows), device=label.rows.device)
    firsts = torch.full((size,), len(indices), device=label.rows.device)
    firsts = firsts.scatter_reduce(0, label.rows, indices, "amin")
    pairs = firsts[rationale.rows]
    p = functional.softmax(label.pooled[pairs].float(), dim=-1).detach()
    log_q = functional.log_softmax(rationale.pooled.float(), dim=-1)
    # A choice that the row does not have has p = 0 and log q = −∞, and adds nothing.
    crosses = -(p * log_q.masked_fill(p == 0, 0.0)).sum(dim=-1)
    counts = torch.bincount(rationale.rows, minlength=size)[rationale.rows]
    # Rationales of weight 0 only fill up a batch.
    return (crosses * (rationale.weights > 0) / counts).sum()
