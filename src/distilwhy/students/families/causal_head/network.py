"""Decoder-only students whose label is chosen by a head (``student.label_head``).

The head reads hidden states behind the prompt, and the model's own output layer learns the
rationale behind the same prompt, in one pass. When deployed, one pass over the prompt gives the
label, and nothing is generated (arXiv 2509.21487, *Dual-Head Reasoning Distillation*).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from distilwhy.core.method import Target, TargetTask
from distilwhy.core.task import Example
from distilwhy.students.batch import to_device
from distilwhy.students.encoding import DrawnRow, EncodedTarget, Truncator
from distilwhy.students.families.causal import CausalNetwork
from distilwhy.students.families.causal_head.batch import (
    HeadBatch,
    HeadPrompt,
    head_prompts,
    pack_heads,
)
from distilwhy.students.families.causal_prompt import template_end
from distilwhy.students.families.label_head import StateHead, choose, find_choice, label_losses
from distilwhy.students.families.task_outputs import task_outputs
from distilwhy.students.logits import TaskOutput, hidden_at, watch_hidden
from distilwhy.students.network import Generated, Network
from distilwhy.students.plain_code import causal_head_code
from distilwhy.students.settings import check_label_head
from distilwhy.students.spec import StudentSpec

HEAD = "head.safetensors"


class CausalHeadNetwork(CausalNetwork):
    """A decoder with a head that chooses the label; its output layer writes rationales only.

    Over fixed labels, the head reads the state at the prompt's last token. Over a row's own
    options, each follows the prompt as an answer, ``prompt Answer: option</s>``, and the head
    scores the state at its end (Radford et al. 2018, *Improving Language Understanding by
    Generative Pre-Training*, section 3.3). Options see the prompt and themselves only, so their
    order has no effect, and they share one pass.
    """

    def __init__(self, model: Any, tokenizer: Any, spec: StudentSpec) -> None:
        check_label_head(spec.config, spec.task.answer, [spec.method])
        super().__init__(model, tokenizer, spec)
        self.head = StateHead(self.width, len(spec.task.answer.labels) or 1)

    @property
    def answers_untrained(self) -> bool:
        """Its head gives all choices the same score."""
        return False

    def encode_options(self, options: Sequence[str]) -> tuple[list[int], ...]:
        """A row's own options as answers; none where the labels are fixed."""
        if not self._has_options:
            return ()
        opening = self._opening("label")
        return tuple([*opening, *self.codec.ids(option), self.codec.end] for option in options)

    def encode_target(
        self, target: Target, options: tuple[str, ...], truncator: Truncator
    ) -> EncodedTarget:
        if target.task == "rationale":
            return super().encode_target(target, options, truncator)
        choice = find_choice(self.spec.task, target.text, options)
        return self.with_ids(target, [], [], choice)

    def collate(self, rows: Sequence[DrawnRow]) -> HeadBatch:  # type: ignore[override]
        return self._pack(head_prompts(rows))

    def forward(self, batch: HeadBatch) -> list[TaskOutput]:  # type: ignore[override]
        # Finding this out runs the model, so it comes before the run that is watched.
        returns_head = batch.rationales is not None and self._returns_head
        with watch_hidden(self.model, *batch.read_at) as states:
            rationales = self._rationale_outputs(batch, returns_head)
        labels = batch.labels
        if labels is None:
            return rationales
        logits = self._logits(states[0], batch)[labels.prompts]
        losses = label_losses(logits, labels.choices, labels.temperatures)
        return [TaskOutput("label", labels.rows, losses, labels.weights, None), *rationales]

    def check_choices(self, choices: Sequence[str]) -> None:
        """Fixed labels may have the same tokens, since the head numbers them."""
        if self._has_options:
            super().check_choices(choices)

    def check_apart(self, choices: Sequence[str]) -> None:
        if self._has_options:
            super().check_apart(choices)

    @torch.inference_mode()
    def generate(self, task: TargetTask, examples: Sequence[Example]) -> list[Generated]:
        if task == "rationale":
            return super().generate(task, examples)
        encoded = self.encode_examples(task, examples, Truncator(self.spec.config))
        prompts = [HeadPrompt(i, ids, options) for i, (ids, options) in enumerate(encoded)]
        batch = to_device(self._pack(prompts), self.device)
        with hidden_at(self.model, *batch.read_at) as states:
            self._run(batch.packed)
        choices = [self.spec.task.answer.choices(example.options) for example in examples]
        return choose(self._logits(states[0], batch), choices)

    def plain_code(self, folder: str) -> str | None:  # type: ignore[override]
        if self._has_options:
            return None
        return causal_head_code(self.spec, folder, template_end(self.tokenizer))

    def save(self, folder: Path) -> None:
        super().save(folder)
        save_file(self.head.state_dict(), folder / HEAD)

    def load_parts(self, folder: Path) -> None:
        """Load what ``save`` wrote beside the model."""
        self.head.load_state_dict(load_file(folder / HEAD))

    @property
    def _has_options(self) -> bool:
        """Whether rows have options of their own."""
        return not self.spec.task.answer.labels

    def _pack(self, prompts: Sequence[HeadPrompt]) -> HeadBatch:
        return pack_heads(prompts, int(self.tokenizer.pad_token_id), self.split_unshared)

    def _rationale_outputs(self, batch: HeadBatch, returns_head: bool) -> list[TaskOutput]:
        """One pass of the model over the batch; its output layer predicts the rationales."""
        targets = batch.rationales
        if targets is None:
            with hidden_at(self.model, *batch.read_at):
                self._run(batch.packed)
            return []
        return task_outputs(
            self.model,
            lambda: self._run(batch.packed),
            targets.predicted_at,
            [targets],
            pools=self.pools,
            returns_head=lambda: returns_head,
        )

    def _logits(self, states: torch.Tensor, batch: HeadBatch) -> torch.Tensor:
        """``[prompts, choices]``: the logits of each prompt's choices; −∞ for missing options."""
        scores: torch.Tensor = self.head(states)
        if not self._has_options:
            return scores
        of_options = scores[batch.reads.clamp(min=0), 0]
        return of_options.masked_fill(batch.reads < 0, float("-inf"))


def causal_network(model: Any, tokenizer: Any, spec: StudentSpec) -> Network:
    """A decoder that writes its label, or one whose head chooses it."""
    kind = CausalHeadNetwork if spec.config.label_head else CausalNetwork
    return kind(model, tokenizer, spec)
