"""Asking a network about many examples, in bf16 where that is faster and gives the same labels."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from distilwhy.core.method import TargetTask
from distilwhy.core.task import Example
from distilwhy.hardware import choose_precision, keeping_heap
from distilwhy.students.network import Generated, Network

# So many of the closest choices are made in both precisions, to learn how far apart rounding takes
# logits. Fewer than ``LEAST`` examples are not worth it.
TRIED, LEAST = 8, 64
# Choices that are closer than so many times the largest difference seen are made in fp32.
SAFETY = 3.0


@dataclass(frozen=True)
class Answering:
    """One task's questions to a network.

    A label is what the network gives in fp32: bf16 rounds logits, so wherever a token was chosen
    by a small margin, the example is answered once more in fp32. The margin that is enough is
    learnt from the closest examples. Rationales, which nothing is measured on, are in bf16.
    """

    network: Network
    task: TargetTask
    batch_size: int

    def answer(self, examples: Sequence[Example]) -> list[Generated]:
        """What the network writes for each example, in the order given."""
        if not self._narrows(len(examples)):
            return self._ask(self.network, examples)
        narrow, device = self.network.in_bf16(), self.network.device.type
        # Autocast casts what some models compute in fp32 whatever their weights are in.
        with keeping_heap(), torch.inference_mode(), torch.autocast(device, dtype=torch.bfloat16):
            answers = self._ask(narrow, examples)
        return answers if self.task == "rationale" else self._settle(examples, answers)

    def _narrows(self, count: int) -> bool:
        """Whether bf16 is worth it."""
        network = self.network
        wanted = choose_precision("auto", network.device, network.width)
        return network.is_full and wanted == "bf16" and count >= LEAST

    def _settle(self, examples: Sequence[Example], answers: Sequence[Generated]) -> list[Generated]:
        """The answers in bf16, with those that were close made again in fp32."""
        order = sorted(range(len(answers)), key=lambda i: answers[i].margin)
        margins = [answers[i].margin for i in order]
        settled, done, wanted, error = [*answers], 0, TRIED, 0.0
        while done < wanted:
            close = order[done:wanted]
            exact = self._ask(self.network, [examples[i] for i in close])
            for i, one in zip(close, exact, strict=True):
                error, settled[i] = max(error, _difference(one, answers[i])), one
            done, wanted = wanted, max(wanted, bisect_left(margins, SAFETY * error))
        return settled

    def _ask(self, network: Network, examples: Sequence[Example]) -> list[Generated]:
        """A network's answers; examples of similar length share a batch."""
        order = sorted(range(len(examples)), key=lambda i: len(examples[i].text))
        answers = [Generated()] * len(examples)
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            found = network.generate(self.task, [examples[i] for i in batch])
            for index, one in zip(batch, found, strict=True):
                answers[index] = one
        return answers


def _difference(exact: Generated, narrow: Generated) -> float:
    """How much rounding changed the smallest margin of an answer."""
    if exact.label == narrow.label:
        return 0.0 if exact.margin == narrow.margin else abs(exact.margin - narrow.margin)
    return exact.margin + narrow.margin
