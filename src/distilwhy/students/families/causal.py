"""Decoder-only students: Llama, Qwen, SmolLM, GPT-2; and a small Llama from scratch.

One pass over the prompt serves all the targets of a row: they branch off it, each seeing the
prompt and itself alone. The prompt is the source, as the user's turn where the tokenizer has a
chat template; a task is opened by words, ``Answer:`` or ``Rationale:``, so that no model needs a
new token.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tokenizers import processors
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM

from distilwhy.config import StudentConfig
from distilwhy.core.method import Target, TargetTask, TrainingRow
from distilwhy.core.task import Example
from distilwhy.errors import StudentError
from distilwhy.students.families.codec import TargetCodec, longest_label
from distilwhy.students.families.generate import write
from distilwhy.students.families.prefix_sharing import (
    PADDING,
    TASKS,
    Batch,
    Tree,
    build_batch,
    fork_mask,
    grow,
)
from distilwhy.students.families.tokenizer import train_tokenizer
from distilwhy.students.lora import is_adapted, load_adapted, merge
from distilwhy.students.network import (
    DrawnRow,
    EncodedRow,
    EncodedTarget,
    Lengths,
    Network,
    StudentSpec,
    TaskOutput,
    Written,
    logits_at,
    move,
    pad,
    pooled_logits,
    target_losses,
    targets_of,
)
from distilwhy.students.pretrained import Pretrained

LABEL_WORDS, RATIONALE_WORDS = "\nAnswer:", "\nRationale:"

_SOME_TEXT = "distilwhy"
# How far rounding may take logits apart, of the largest.
_SLACK, _SLACK_4BIT = 1e-4, 5e-2
_WINDOWS = ("sliding_window", "window_size", "attention_chunk_size")


class CausalNetwork(Network):
    """A decoder with its two tasks."""

    def __init__(self, model: Any, tokenizer: Any, brief: StudentSpec) -> None:
        _make_ready(model, tokenizer, brief.limits)
        super().__init__(model, tokenizer, brief)
        self._spelling = spell_by_words(tokenizer)
        self._openings = _openings(tokenizer, self._spelling)
        head, self._tail = _template_lengths(tokenizer)
        _check_template(brief.limits, head + self._tail)
        _check_room(model, self._spelling, brief.limits, ())
        self.check_choices(brief.task.answer.labels)

    def encode(self, row: TrainingRow, lengths: Lengths) -> EncodedRow:
        tasks = TASKS if self.brief.two_passes else TASKS[:1]
        return EncodedRow(
            tuple(self._source(row.source, task, lengths) for task in tasks),
            tuple(
                tuple(self._target(target, lengths) for target in targets)
                for targets in targets_of(row)
            ),
        )

    def collate(self, rows: Sequence[DrawnRow]) -> Batch:
        trees = grow(rows)
        if any(len(tree.targets) > 1 for tree in trees) and not self._may_fork(trees):
            trees = [alone for tree in trees for alone in tree.apart()]
        return build_batch(trees, int(self.tokenizer.pad_token_id))

    def forward(self, batch: Batch) -> list[TaskOutput]:
        return [
            TaskOutput(
                targets.task,
                targets.rows,
                target_losses(logits, targets.labels, targets.temperatures),
                targets.weights,
                pooled_logits(logits, targets.labels) if self.pools else None,
            )
            for targets, logits in zip(batch.targets, self._logits(batch), strict=True)
        ]

    def sources(
        self, task: TargetTask, examples: Sequence[Example], lengths: Lengths
    ) -> list[list[int]]:
        return [self._source(example.text, task, lengths) for example in examples]

    def check_choices(self, choices: Sequence[str]) -> None:
        self._spelling.menu(self.brief.method, choices)
        _check_room(self.model, self._spelling, self.brief.limits, choices)

    def write(self, task: TargetTask, examples: Sequence[Example]) -> list[Written]:
        sources = self.sources(task, examples, Lengths(self.brief.limits))
        prompts = [[*source, *self._opening(task)] for source in sources]
        ids = pad(prompts, int(self.tokenizer.pad_token_id), left=True).to(self.device)
        mask = pad([[1] * len(prompt) for prompt in prompts], 0, left=True).to(self.device)
        inputs = {"input_ids": ids, "attention_mask": mask}
        return write(self.model, self._spelling, self.brief, task, examples, inputs, ids.shape[1])

    def save(self, folder: Path) -> None:
        """Write the weights, adapters merged into them, and the tokenizer."""
        plain = merge(self.model) if is_adapted(self.model) else self.model
        plain.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _source(self, text: str, task: TargetTask, lengths: Lengths) -> list[int]:
        """The prompt without what opens the task; what is cut of it is text, not template."""
        ids = _prompt(self.tokenizer, self.brief.source(text, task))
        return lengths.cut("input", ids, end=self._tail)

    def _target(self, target: Target, lengths: Lengths) -> EncodedTarget:
        return EncodedTarget(
            target.task,
            self._opening(target.task),
            self._spelling.spell(target, lengths, is_choice=self.brief.chooses),
            target.weight,
            target.temperature,
            TASKS.index(target.task) if self.brief.two_passes else 0,
        )

    def _opening(self, task: TargetTask) -> list[int]:
        """The words that open a task; one sequence for both opens with what comes first."""
        first: dict[str, TargetTask] = {"before": "rationale", "after": "label"}
        return self._openings[first.get(self.brief.method.place, task)]

    def _may_fork(self, trees: Sequence[Tree]) -> bool:
        """Whether branches can stand in one sequence, and each mean what it would alone."""
        return max(len(tree.ids) for tree in trees) <= self._window and self._forks

    @property
    def _window(self) -> float:
        """How far back the model's attention reaches, where that is less than all: our mask
        stands in for the model's own, and would let it reach further."""
        found = [getattr(self.model.config, name, None) for name in _WINDOWS]
        return min((size for size in found if isinstance(size, int)), default=float("inf"))

    @cached_property
    def _forks(self) -> bool:
        """Whether a target is to the model in a branch what it is alone after the prompt.

        The model itself is asked. It is not so where positions cannot be given (ALiBi), nor where
        a state is handed on from token to token (Mamba).
        """
        prompt, asked = [1, 2, 3, 4], EncodedTarget("label", [5], [6, 7, 8])
        other = EncodedTarget("rationale", [9], list(range(10, 22)))
        try:
            branch = self._label_logits(Tree(0, prompt, (other, asked)))
            alone = self._label_logits(Tree(0, prompt, (asked,)))
        # What a model that takes no mask or no positions of ours raises is its own affair.
        except (RuntimeError, ValueError, TypeError, IndexError):
            return False
        slack = _SLACK_4BIT if getattr(self.model, "is_loaded_in_4bit", False) else _SLACK
        return bool((branch - alone).abs().max() <= slack * alone.abs().max())

    @torch.no_grad()
    def _label_logits(self, tree: Tree) -> torch.Tensor:
        was = self.training
        self.eval()
        try:
            return self._logits(move(build_batch([tree], 0), self.device))[0]
        finally:
            self.train(was)

    def _logits(self, batch: Batch) -> Sequence[torch.Tensor]:
        """``[positions, vocabulary]`` for each task, in the order of the labels."""
        trees, places = zip(*(targets.foretold for targets in batch.targets), strict=True)
        with logits_at(self.model, torch.cat(trees), torch.cat(places)):
            logits = self.model(
                input_ids=batch.ids,
                attention_mask=self._mask(batch),
                position_ids=batch.positions if batch.forked else None,
                use_cache=False,
            ).logits[0]
        found: Sequence[torch.Tensor] = logits.split([len(part) for part in places])
        return found

    def _mask(self, batch: Batch) -> torch.Tensor:
        """What may be seen: of each tree, or where one is forked of each token."""
        if not batch.forked:
            return (batch.branches != PADDING).long()
        return fork_mask(batch.branches, self.model.get_input_embeddings().weight.dtype)


def spell_by_words(tokenizer: Any) -> TargetCodec:
    """How a decoder spells: words open each part, and ids are joined, never read again."""
    # Some tokenizers put a space before every text themselves.
    spaces = (
        space
        for space in (" ", "")
        if _ids(tokenizer, "a:") + _ids(tokenizer, f"{space}yes") == _ids(tokenizer, "a: yes")
    )
    return TargetCodec(
        tokenizer,
        [],
        next(spaces, " "),
        _ids_after(tokenizer, "a", LABEL_WORDS),
        _ids_after(tokenizer, "a", RATIONALE_WORDS),
    )


def load_causal(found: Pretrained, config: StudentConfig | None) -> Any:
    """A pretrained decoder, with adapters where ``config`` asks for them; None: a saved student.

    Raises:
        StudentError: if what adapters need is not there.
    """
    if config is not None and config.lora is not None:
        return load_adapted(found, config.lora)
    return found.model(AutoModelForCausalLM)


def scratch_causal(
    config: StudentConfig, texts: Iterable[str], labels: Sequence[str] = ()
) -> tuple[Any, Any]:
    """A small Llama-shaped model, and a tokenizer trained on ``texts``.

    Args:
        labels: Those that are written whole, however long.
    """
    shape = config.scratch
    tokenizer = train_tokenizer(
        (f"{text}{LABEL_WORDS}{RATIONALE_WORDS}" for text in texts), shape.vocabulary
    )
    # A prompt is gone on with: nothing is to end it.
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", special_tokens=[]
    )
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.width,
            intermediate_size=shape.feedforward,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            max_position_embeddings=_positions(spell_by_words(tokenizer), config, labels),
            attention_dropout=shape.dropout,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    return model, tokenizer


def _prompt(tokenizer: Any, text: str) -> list[int]:
    """A source as the user's turn, or where there is no chat template as it is."""
    if not tokenizer.chat_template:
        return list(tokenizer(text, verbose=False).input_ids)
    return _ids(tokenizer, _rendered(tokenizer, text))


def _rendered(tokenizer: Any, text: str) -> str:
    turns = [{"role": "user", "content": text}]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)


def _ids_after(tokenizer: Any, before: str, text: str) -> list[int]:
    """The ids of a text as it is spelt after another."""
    return _ids(tokenizer, before + text)[len(_ids(tokenizer, before)) :]


def _openings(tokenizer: Any, spelling: TargetCodec) -> dict[TargetTask, list[int]]:
    """What opens each task; no second new line where the chat template ends with one."""
    if not tokenizer.chat_template or not _rendered(tokenizer, _SOME_TEXT).endswith("\n"):
        return {"label": spelling.label, "rationale": spelling.rationale}
    return {
        "label": _ids_after(tokenizer, "\n", LABEL_WORDS.lstrip()),
        "rationale": _ids_after(tokenizer, "\n", RATIONALE_WORDS.lstrip()),
    }


def _template_lengths(tokenizer: Any) -> tuple[int, int]:
    """How many tokens the chat template puts before a text, and after it."""
    if not tokenizer.chat_template:
        return 0, 0
    before, _, after = _rendered(tokenizer, _SOME_TEXT).rpartition(_SOME_TEXT)
    return len(_ids(tokenizer, before)), len(_ids(tokenizer, after))


def _positions(spelling: TargetCodec, limits: StudentConfig, labels: Sequence[str] = ()) -> int:
    """The most tokens that a prompt and what is written after it may have.

    Args:
        labels: Those that are written whole.
    """
    markers = len(spelling.label) + len(spelling.rationale)
    written = longest_label(spelling, limits, labels) + limits.max_rationale_tokens + 1
    return limits.max_input_tokens + markers + written


def _check_template(limits: StudentConfig, template: int) -> None:
    """See to it that there is room for a text within the template."""
    if template >= limits.max_input_tokens:
        raise StudentError(
            f"student.max_input_tokens {limits.max_input_tokens} has no room for a text beside "
            f"the {template} tokens of the model's chat template; raise it"
        )


def _check_room(
    model: Any, spelling: TargetCodec, limits: StudentConfig, labels: Sequence[str]
) -> None:
    """See to it that the source and what is written after it fit."""
    most = getattr(model.config, "max_position_embeddings", None)
    over = _positions(spelling, limits, labels) - most if isinstance(most, int) and most > 0 else 0
    if over > 0:
        raise StudentError(
            f"student.max_input_tokens {limits.max_input_tokens} and what is written after the "
            f"input need {over} tokens more than the {most} that the model sees; lower it, "
            "max_rationale_tokens or max_label_tokens"
        )


def _make_ready(model: Any, tokenizer: Any, limits: StudentConfig) -> None:
    """Give a tokenizer what it lacks, and a model a generation config that does only our job."""
    if tokenizer.eos_token is None:
        raise StudentError(
            "the tokenizer of student.model has no eos_token, so a student could not end; "
            "set one in its tokenizer_config.json"
        )
    # Some tokenizers pad with a token that the model was never given.
    known = model.get_input_embeddings().num_embeddings
    if tokenizer.pad_token is None or tokenizer.pad_token_id >= known:
        tokenizer.pad_token = tokenizer.eos_token
    # A tokenizer saves nothing that it was not made with.
    tokenizer.padding_side = tokenizer.init_kwargs["padding_side"] = "left"
    plain = model.get_base_model() if is_adapted(model) else model
    plain.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
        max_new_tokens=limits.max_label_tokens + 1,
    )
