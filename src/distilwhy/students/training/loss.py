"""What a training minimises: the losses of the two tasks, weighed against one another."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from distilwhy.config import TrainingConfig
from distilwhy.core.method import TargetTask
from distilwhy.students.network import Network, TaskOutput

LABEL_ALONE, FALLING_FROM = 0.1, 0.5


@dataclass(frozen=True)
class Losses:
    """The losses of some of a batch's rows.

    Attributes:
        total: What to minimise: a scalar, already divided by the rows of the whole batch.
        tasks: For each task its part in the total.
        sums: For each task the sum of weight · cross-entropy, and the sum of weights: their
            ratio is the task's mean loss, whatever λ is.
    """

    total: torch.Tensor
    tasks: dict[TargetTask, torch.Tensor]
    sums: dict[TargetTask, torch.Tensor]


class Objective(torch.nn.Module):
    """A network with what weighs its two tasks.

    With B rows in a batch, CE the cross-entropy of a target averaged over its tokens, and w its
    weight in its row (1 for a label, λ for a rationale; Hsieh et al. 2023, equation 3):

        L_task = 1/B · Σ w · CE                     over the task's targets
        fixed:        L = L_label + L_rationale
        staged:       L = L_label + c(step) · L_rationale, with c of ``staged_factor``
        uncertainty:  L = Σ_task exp(−s_task) · L_task + s_task / 2, s_task = log σ²_task learnt
                      (Kendall, Gal & Cipolla 2018, *Multi-Task Learning Using Uncertainty to
                      Weigh Losses*, equation 10)

    and to each is added γ · ``agreement``, with γ = ``training.agreement``.
    """

    def __init__(self, network: Network, config: TrainingConfig) -> None:
        super().__init__()
        self.network = network
        self._agreement = config.agreement
        network.pools = config.agreement > 0
        self.log_variances: Any = None
        if config.weighting == "uncertainty":
            tasks = ["label"]
            if network.brief.method.writes_rationales and network.brief.method.place == "apart":
                tasks.append("rationale")
            self.log_variances = torch.nn.ParameterDict(
                {task: torch.nn.Parameter(torch.zeros(1)) for task in tasks}
            )

    def forward(self, batch: Any, factor: float, rows: int, share: float) -> Losses:
        """The losses of a batch, or of a part of one.

        Args:
            factor: c: what the rationale's loss is multiplied by.
            rows: B: the rows of the whole batch.
            share: The share of those rows that are in this part.
        """
        outputs: list[TaskOutput] = self.network(batch)
        tasks, sums = {}, {}
        for output in outputs:
            weighted = (output.weights * output.losses).sum()
            scale = factor if output.task == "rationale" else 1.0
            tasks[output.task] = scale * self._weigh(output.task, weighted / rows)
            sums[output.task] = torch.stack([weighted.detach(), output.weights.sum()])
        total = torch.stack(list(tasks.values())).sum()
        if self.log_variances is not None:
            # Also for a task without targets here: how a batch is parted is to change nothing.
            total = total + share * torch.stack(list(self.log_variances.values())).sum() / 2
        if self._agreement and factor:
            total = total + self._agreement * agreement(outputs) / rows
        return Losses(total, tasks, sums)

    def _weigh(self, task: TargetTask, loss: torch.Tensor) -> torch.Tensor:
        if self.log_variances is None:
            return loss
        s: torch.Tensor = self.log_variances[task].squeeze()
        return torch.exp(-s) * loss


def staged_factor(step: int, steps: int) -> float:
    """c of the staged weighting: the label alone for the first tenth of the steps, then both,
    and from the middle on the rationale fades linearly to nothing at the end."""
    done = step / steps
    if done < LABEL_ALONE:
        return 0.0
    return min(1.0, (1 - done) / (1 - FALLING_FROM))


def agreement(outputs: list[TaskOutput]) -> torch.Tensor:
    """How far the label's distribution as the rationale's task sees it is from the label's own.

    The sum over rows of the cross-entropy H(p, q) = −Σ_v p(v) · log q(v), with p the softmax of
    the label's pooled logits, held fixed, and q that of the rationale's: minimising it raises a
    lower bound of the mutual information of the two tasks (Chen et al. 2024, *Learning to
    Maximize Mutual Information for Chain-of-Thought Distillation*, arXiv 2403.03348, section
    3). Logits are pooled by their mean over a target's positions. A row with several rationales
    adds their mean.

    Returns:
        A scalar; 0 where no row has both tasks.
    """
    found = {output.task: output for output in outputs}
    if len(found) < 2:
        return outputs[0].losses.new_zeros(())
    label, rationale = found["label"], found["rationale"]
    if label.pooled is None or rationale.pooled is None:
        raise ValueError("the network was not told to pool its logits; set its 'pools'")
    size = int(torch.cat([label.rows, rationale.rows]).max()) + 1
    places = torch.arange(len(label.rows), device=label.rows.device)
    firsts = torch.full((size,), len(places), device=label.rows.device)
    firsts = firsts.scatter_reduce(0, label.rows, places, "amin")
    pairs = firsts[rationale.rows]
    p = functional.softmax(label.pooled[pairs].float(), dim=-1).detach()
    log_q = functional.log_softmax(rationale.pooled.float(), dim=-1)
    # A class that is shut has p = 0 and log q = −∞: it adds nothing.
    crosses = -(p * log_q.masked_fill(p == 0, 0.0)).sum(dim=-1)
    counts = torch.bincount(rationale.rows, minlength=size)[rationale.rows]
    # A rationale of weight 0 counts for nothing.
    return (crosses * (rationale.weights > 0) / counts).sum()
