"""Decoder-only students: Llama, Qwen, SmolLM, GPT-2, or a small Llama from scratch.

One pass over the prompt serves all targets of a row: they share the prompt, and each attends to
the prompt and to itself only. The prompt is the source, as the user's turn where the tokenizer has
a chat template. Words open a task, ``Answer:`` or ``Rationale:``, so that no model needs a new
token.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tokenizers import processors
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from distilwhy.config import StudentConfig
from distilwhy.core.method import Target, TargetTask
from distilwhy.core.task import Example
from distilwhy.errors import StudentError
from distilwhy.prompt_prefix import Prefix
from distilwhy.students.batch import to_device
from distilwhy.students.encoding import DrawnRow, EncodedTarget, Truncator
from distilwhy.students.families.causal_prompt import (
    LABEL_WORDS,
    RATIONALE_WORDS,
    prompt_ids,
    task_openings,
    template_end,
    template_lengths,
    word_codec,
)
from distilwhy.students.families.choosing.label_tree import LabelTree, pack_trees
from distilwhy.students.families.choosing.label_walk import LabelWalk
from distilwhy.students.families.codec import TargetCodec, max_label_tokens
from distilwhy.students.families.generate import choices_alone, generate, read_walks
from distilwhy.students.families.prefix_sharing import (
    PADDING,
    TOLERANCE,
    PackedBatch,
    SharedPrompt,
    can_share,
    pack,
    segment_mask,
    share_prompts,
)
from distilwhy.students.families.task_outputs import task_outputs
from distilwhy.students.families.tokenizer import train_tokenizer
from distilwhy.students.logits import TaskOutput, logits_at, returns_head
from distilwhy.students.lora import is_adapted, merge
from distilwhy.students.network import Generated, Network
from distilwhy.students.plain_code import causal_code
from distilwhy.students.pretrained import save_model
from distilwhy.students.spec import StudentSpec

_TOLERANCE_4BIT = 5e-2
_WINDOWS = ("sliding_window", "window_size", "attention_chunk_size")


class CausalNetwork(Network):
    """A decoder that writes labels and rationales."""

    family = "causal"

    def __init__(self, model: Any, tokenizer: Any, spec: StudentSpec) -> None:
        _prepare(model, tokenizer, spec.config)
        super().__init__(model, tokenizer, spec)
        self.codec = word_codec(tokenizer)
        self._openings = task_openings(tokenizer, self.codec)
        before, self._after_text = template_lengths(tokenizer)
        template, most = before + self._after_text, spec.config.max_input_tokens
        if template >= most:
            raise StudentError(
                f"student.max_input_tokens {most} leaves no space for a text beside "
                f"the {template} tokens of the model's chat template; raise it"
            )
        _check_lengths(model, self.codec, spec.config, ())
        self.check_choices(spec.task.answer.labels)

    def encode_source(
        self, text: str, task: TargetTask, options: Sequence[list[int]], truncator: Truncator
    ) -> list[int]:
        """The prompt without the task's opening; only the text is cut, not the template."""
        ids = prompt_ids(self.text_encoder, self.spec.source(text, task))
        return truncator.cut("input", ids, end=self._after_text)

    def encode_target(
        self, target: Target, options: tuple[str, ...], truncator: Truncator
    ) -> EncodedTarget:
        ids = self.codec.encode(target, truncator, is_choice=self.spec.is_choice)
        return self.with_ids(target, self._opening(target.task), ids)

    def collate(self, rows: Sequence[DrawnRow]) -> PackedBatch:
        prompts = self.split_unshared(share_prompts(rows))
        return pack(prompts, int(self.tokenizer.pad_token_id))

    def split_unshared(self, prompts: list[SharedPrompt]) -> list[SharedPrompt]:
        """The prompts, with one target each if the model cannot share a prompt of this length."""
        if not any(prompt.is_shared for prompt in prompts):
            return prompts
        if max(len(prompt.ids) for prompt in prompts) <= self._window and self._can_share:
            return prompts
        return [replace(one, targets=(t,)) for one in prompts for t in one.targets]

    def forward(self, batch: PackedBatch) -> list[TaskOutput]:
        return task_outputs(
            self.model,
            lambda: self._run(batch),
            batch.predicted_at,
            batch.targets,
            pools=self.pools,
            returns_head=lambda: self._returns_head,
        )

    def check_choices(self, choices: Sequence[str]) -> None:
        self.codec.allowed_labels(self.spec.method, choices)
        _check_lengths(self.model, self.codec, self.spec.config, choices)

    def generate(self, task: TargetTask, examples: Sequence[Example]) -> list[Generated]:
        encoded = self.encode_examples(task, examples, Truncator(self.spec.config))
        prompts = [[*source, *self._opening(task)] for source, _ in encoded]
        if allowed := choices_alone(self.codec, self.spec, task, examples):
            grown = {id(labels): LabelTree.of(labels.trie) for labels in allowed}
            trees = [grown[id(labels)] for labels in allowed]
            if self._takes_trees(prompts, trees):
                walks = [LabelWalk(labels.trie) for labels in allowed]
                self._walk(walks, prompts, trees)
                return read_walks(walks, allowed, self.codec)
        inputs = self._inputs(prompts)
        length = inputs["input_ids"].shape[1]
        return generate(self.model, self.codec, self.spec, task, examples, inputs, length)

    @torch.inference_mode()
    def _open_prefix(self, prompts: Sequence[list[int]]) -> tuple[int, Any]:
        """How many tokens all prompts begin with, and a cache of them; 0 and None without one."""
        return (0, None) if is_adapted(self.model) else Prefix(self.model).open(prompts)

    def _inputs(self, prompts: Sequence[list[int]]) -> dict[str, Any]:
        """The arguments of ``model.generate``; a row is ``[shared start, padding, rest]``."""
        cached, cache = self._open_prefix(prompts)
        filler, longest = int(self.tokenizer.pad_token_id), max(map(len, prompts))
        gaps = [longest - len(prompt) for prompt in prompts]
        pairs = list(zip(prompts, gaps, strict=True))
        ids = [[*p[:cached], *[filler] * gap, *p[cached:]] for p, gap in pairs]
        mask = [[*[1] * cached, *[0] * gap, *[1] * (len(p) - cached)] for p, gap in pairs]
        found = {
            "input_ids": torch.tensor(ids, device=self.device),
            "attention_mask": torch.tensor(mask, device=self.device),
        }
        return found if cache is None else {**found, "cache": cache}

    def _takes_trees(self, prompts: Sequence[list[int]], trees: Sequence[LabelTree]) -> bool:
        """Whether all labels can be read in one pass behind their prompts."""
        longest = max(len(p) + len(t.nodes) for p, t in zip(prompts, trees, strict=True))
        return not any(tree.nodes for tree in trees) or (
            longest <= self._window and self._can_share
        )

    @torch.inference_mode()
    def _walk(
        self, walks: Sequence[LabelWalk], prompts: Sequence[list[int]], trees: Sequence[LabelTree]
    ) -> None:
        """Finish the walks, one for each prompt, with one pass of the model."""
        if all(walk.is_done for walk in walks):
            return
        dtype = self.model.get_input_embeddings().weight.dtype
        filler = int(self.tokenizer.pad_token_id)
        cached, cache = self._open_prefix(prompts)
        rest = [prompt[cached:] for prompt in prompts]
        batch = to_device(pack_trees(rest, trees, filler, dtype, cached), self.device)
        more = {} if cache is None else {"cache": cache}
        with logits_at(self.model, batch.rows, batch.columns):
            logits = self.model(
                input_ids=batch.ids,
                attention_mask=batch.mask,
                position_ids=None if batch.mask is None and cache is None else batch.positions,
                use_cache=cache is not None,
                **more,
            ).logits[0]
        by_row = logits.cpu().split([len(tree.branchings) for tree in trees])
        for walk, tree, found in zip(walks, trees, by_row, strict=True):
            while not walk.is_done:
                walk.choose(found[tree.branchings.index(tuple(walk.ids))])

    def plain_code(self, folder: str) -> str:
        return causal_code(self.spec, folder, template_end(self.tokenizer))

    def save(self, folder: Path) -> None:
        """Write the weights, with adapters merged into them, and the tokenizer."""
        plain = merge(self.model) if is_adapted(self.model) else self.model
        save_model(plain, folder)
        self.tokenizer.save_pretrained(folder)

    def _opening(self, task: TargetTask) -> list[int]:
        """The tokens that open a task; one sequence for both opens with its first part."""
        first: dict[str, TargetTask] = {"before": "rationale", "after": "label"}
        return self._openings[first.get(self.spec.method.place, task)]

    @property
    def _window(self) -> float:
        """How far back the model attends; infinite for full attention.

        Our mask replaces the model's own, so it must not let a token attend further.
        """
        found = [getattr(self.model.config, name, None) for name in _WINDOWS]
        return min((size for size in found if isinstance(size, int)), default=float("inf"))

    @cached_property
    def _can_share(self) -> bool:
        """Whether targets may share a prompt; ALiBi, for one, takes no positions."""
        is_4bit = getattr(self.model, "is_loaded_in_4bit", False)
        tolerance = _TOLERANCE_4BIT if is_4bit else TOLERANCE
        return can_share(self, self.model, [1, 2, 3, 4], self._run, tolerance)

    @cached_property
    def _returns_head(self) -> bool:
        return returns_head(
            self.model, input_ids=torch.zeros(1, 1, dtype=torch.long).to(self.device)
        )

    def _run(self, batch: PackedBatch) -> Any:
        """What the model returns for a batch."""
        if batch.is_shared:
            mask = segment_mask(batch.segments, self.model.get_input_embeddings().weight.dtype)
        else:
            mask = (batch.segments != PADDING).long()
        return self.model(
            input_ids=batch.ids,
            attention_mask=mask,
            position_ids=batch.positions if batch.is_shared else None,
            use_cache=False,
        )


def scratch_causal(
    config: StudentConfig,
    texts: Iterable[str],
    labels: Sequence[str] = (),
    vocabulary: int | None = None,
) -> tuple[Any, Any]:
    """A small Llama from scratch, and a tokenizer trained on ``texts``.

    Args:
        labels: The choices, which are never cut: the model gets positions for the longest.
        vocabulary: The model's; None for the tokenizer's.
    """
    shape = config.scratch
    tokenizer = train_tokenizer(
        (f"{text}{LABEL_WORDS}{RATIONALE_WORDS}" for text in texts), shape.vocabulary
    )
    # A prompt must not end with an end of sequence.
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", special_tokens=[]
    )
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary or len(tokenizer),
            hidden_size=shape.width,
            intermediate_size=shape.feedforward,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            max_position_embeddings=_max_positions(word_codec(tokenizer), config, labels),
            attention_dropout=shape.dropout,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    return model, tokenizer


def _prepare(model: Any, tokenizer: Any, config: StudentConfig) -> None:
    """Complete the tokenizer, and replace the generation config by one that only answers."""
    if tokenizer.eos_token is None:
        raise StudentError(
            "the tokenizer of student.model has no eos_token, so a student could not end; "
            "set one in its tokenizer_config.json"
        )
    # Some tokenizers pad with a token that the model has no embedding for.
    known = model.get_input_embeddings().num_embeddings
    if tokenizer.pad_token is None or tokenizer.pad_token_id >= known:
        tokenizer.pad_token = tokenizer.eos_token
    # A tokenizer saves only the settings that it was created with.
    tokenizer.padding_side = tokenizer.init_kwargs["padding_side"] = "left"
    plain = model.get_base_model() if is_adapted(model) else model
    plain.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
        max_new_tokens=config.max_label_tokens + 1,
    )


def _max_positions(codec: TargetCodec, config: StudentConfig, labels: Sequence[str] = ()) -> int:
    """The most tokens that a prompt and everything behind it may have."""
    markers = len(codec.label_marker) + len(codec.rationale_marker)
    written = max_label_tokens(codec, config, labels) + config.max_rationale_tokens + 1
    return config.max_input_tokens + markers + written


def _check_lengths(
    model: Any, codec: TargetCodec, config: StudentConfig, labels: Sequence[str]
) -> None:
    """Check that the model has positions for the prompt and everything behind it."""
    most = getattr(model.config, "max_position_embeddings", None)
    over = _max_positions(codec, config, labels) - most if isinstance(most, int) and most > 0 else 0
    if over > 0:
        raise StudentError(
            f"student.max_input_tokens {config.max_input_tokens} and what is written after the "
            f"input need {over} tokens more than the {most} that the model takes; lower it, "
            "max_rationale_tokens or max_label_tokens"
        )
