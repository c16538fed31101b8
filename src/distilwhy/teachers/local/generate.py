"""A causal language model that continues prompts, a batch at a time."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils.memory import should_reduce_batch_size
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from distilwhy.config import LocalTeacherConfig
from distilwhy.errors import TeacherError, first_line
from distilwhy.hardware import choose_device, choose_precision, release_memory
from distilwhy.model_files import ModelFilesError, find_files
from distilwhy.prompt_prefix import Prefix

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_WRITES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_SPECIAL = 4


@dataclass(frozen=True)
class EncodedPrompt:
    """The token ids of a prompt, and the seed for sampling its continuation."""

    ids: list[int]
    seed: int


@dataclass(frozen=True)
class Continuation:
    """The text up to a stop text, its number of tokens, and whether it ended by itself."""

    text: str
    tokens: int
    ended: bool


class Generator:
    """A model and its tokenizer.

    Attributes:
        batch_size: How many prompts are continued at a time; halved when memory runs out.
        context: The most tokens that the model sees, generated ones included; None: any number.
        prefix: The cache of the tokens that prompts begin with.
        halted: Set from another thread to stop generating at the next token.
    """

    def __init__(self, model: Any, tokenizer: Any, config: LocalTeacherConfig) -> None:
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._config = config
        self._ends = _ends(model, tokenizer)
        # The model's own settings would apply too: penalties, top-p, lengths.
        model.generation_config = GenerationConfig()
        self.batch_size = config.batch_size
        most = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self.context = most if isinstance(most, int) and most > 0 else None
        self.prefix = Prefix(model)
        self.halted = threading.Event()

    @torch.inference_mode()
    def generate(self, prompts: Sequence[EncodedPrompt]) -> list[Continuation]:
        """Continue each prompt; in smaller batches if memory runs out.

        Raises:
            TeacherError: if there is no memory for even one prompt.
        """
        try:
            return self._generate(prompts)
        except RuntimeError as error:
            if not should_reduce_batch_size(error):
                raise
        # Outside the handler, because the error keeps the tensors that filled the memory alive.
        release_memory()
        if len(prompts) == 1:
            raise TeacherError(
                f"there is no memory for one prompt of {len(prompts[0].ids):,} tokens; take a "
                "smaller teacher.model, or lower teacher.max_tokens"
            )
        half = (len(prompts) + 1) // 2
        if half < self.batch_size:
            self.batch_size = half
            logging.getLogger(__name__).warning(
                "out of memory: teacher %r goes on with %d prompts at a time",
                self._config.model,
                half,
            )
        return self.generate(prompts[:half]) + self.generate(prompts[half:])

    def release(self) -> None:
        """Free the model, even if something still refers to this object."""
        del self._model, self.prefix
        release_memory()

    def _generate(self, prompts: Sequence[EncodedPrompt]) -> list[Continuation]:
        rows = [prompt.ids for prompt in prompts]
        cached, cache = self.prefix.open(rows)
        longest = max(map(len, rows))
        ids = torch.tensor([_pad(row, cached, longest) for row in rows])
        real = torch.tensor([_pad([1] * len(row), cached, longest) for row in rows])
        stops = _Stops(self._tokenizer, self._config.stop, longest, self.halted)
        generated = self._model.generate(
            input_ids=ids.to(self._model.device),
            attention_mask=real.to(self._model.device),
            cache=cache,
            logits_processor=LogitsProcessorList(self._samplers(prompts)),
            stopping_criteria=StoppingCriteriaList([stops]),
            generation_config=GenerationConfig(
                do_sample=False,
                max_new_tokens=self._config.max_tokens,
                eos_token_id=self._ends or None,
                pad_token_id=self._ends[0] if self._ends else 0,
            ),
        )
        new = generated[:, longest:].tolist()
        return [self._read(row, stops.at.get(index)) for index, row in enumerate(new)]

    def _samplers(self, prompts: Sequence[EncodedPrompt]) -> list[LogitsProcessor]:
        if not self._config.temperature:
            return []
        most = self._config.max_tokens
        seeded = [torch.Generator().manual_seed(prompt.seed) for prompt in prompts]
        drawn = [torch.rand(most, generator=each, dtype=torch.float64) for each in seeded]
        return [_Sampler(torch.stack(drawn).to(self._model.device), self._config.temperature)]

    def _read(self, ids: list[int], stopped: int | None) -> Continuation:
        """The text of a row, up to where it ended; what follows is padding."""
        ends = [at for at, token in enumerate(ids) if token in self._ends]
        count = min([len(ids), *(at + 1 for at in ends[:1]), *([stopped] if stopped else [])])
        text = _decode(self._tokenizer, [ids[:count]])[0]
        found = [at for mark in self._config.stop if mark and (at := text.find(mark)) >= 0]
        return Continuation(text[: min(found, default=len(text))], count, bool(ends or stopped))


def open_generator(place: str, tokenizer: Any, config: LocalTeacherConfig) -> Generator:
    """Load a model by its place, on a GPU if there is one.

    Args:
        place: A folder, a GGUF file, a model that a package contains, or a name on the hub.

    Raises:
        TeacherError: if it cannot be loaded, or is no model that goes on with a text.
    """
    try:
        files = find_files(place)
        shape = files.config()
        named = (getattr(shape, "architectures", None) or [_WRITES[0]])[0]
        if shape.is_encoder_decoder or not named.endswith(_WRITES):
            raise TeacherError(
                f"teacher.model {config.model!r} is a {shape.model_type}, which does not go on "
                "with a text; name a causal language model, such as a Llama or a Qwen"
            )
        device = choose_device()
        width = int(getattr(shape.get_text_config(), "hidden_size", 0))
        dtype = _DTYPES[choose_precision("auto", device, width)]
        model = files.load(AutoModelForCausalLM, shape, dtype)[0].to(device)
    except TeacherError:
        raise
    except ModelFilesError as error:
        raise TeacherError(f"teacher.model {config.model!r} {error}") from error
    # Broken files can raise anything.
    except Exception as error:
        raise TeacherError(
            f"teacher.model {config.model!r} cannot be loaded ({first_line(error)}); name a local "
            "folder with a causal language model of transformers, or such a model on the hub"
        ) from error
    return Generator(model, tokenizer, config)


class _Sampler(LogitsProcessor):  # type: ignore[misc]
    """Samples each row's tokens by its own seed, so that the rest of the batch has no effect.

    Args:
        drawn: ``[rows, tokens]``: the numbers between 0 and 1 that decide each token.
    """

    def __init__(self, drawn: torch.Tensor, temperature: float) -> None:
        self._drawn = drawn
        self._temperature = temperature
        self._at = 0

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """``[rows, vocabulary]``: 0 for the sampled token, by inverting the distribution function;
        −∞ for all others."""
        chances = (scores.float() / self._temperature).softmax(dim=-1).double().cumsum(dim=-1)
        drawn = self._drawn[:, self._at, None] * chances[:, -1:]
        tokens = torch.searchsorted(chances, drawn, right=True)
        self._at += 1
        return torch.full_like(scores, float("-inf")).scatter(1, tokens, 0.0)


class _Stops(StoppingCriteria):  # type: ignore[misc]
    """Ends a row at a stop text, and all rows when halted. ``at`` has the tokens up to there."""

    def __init__(
        self, tokenizer: Any, stop: Sequence[str], start: int, halted: threading.Event
    ) -> None:
        self._tokenizer = tokenizer
        self._marks = [mark for mark in stop if mark]
        self._reach = max((len(mark.encode()) for mark in self._marks), default=0) + _SPECIAL
        self._start = start
        self._halted = halted
        self.at: dict[int, int] = {}

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.Tensor | None, **kwargs: Any
    ) -> torch.Tensor:
        """``[rows]``: whether each has ended."""
        length = input_ids.shape[1]
        if self._marks:
            recent = input_ids[:, max(self._start, length - self._reach) :].tolist()
            for row, text in enumerate(_decode(self._tokenizer, recent)):
                if any(mark in text for mark in self._marks):
                    self.at.setdefault(row, length - self._start)
        ended = [self._halted.is_set() or row in self.at for row in range(len(input_ids))]
        return torch.tensor(ended, device=input_ids.device)


def _pad(row: list[int], cached: int, longest: int) -> list[int]:
    """A row with zeros after its cached tokens, so that all rows end together."""
    return row[:cached] + [0] * (longest - len(row)) + row[cached:]


def _decode(tokenizer: Any, rows: Sequence[list[int]]) -> list[str]:
    how = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
    return list(tokenizer.batch_decode(rows, **how))


def _ends(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end a reply: those of the model's generation config, or the tokenizer's."""
    found = model.generation_config.eos_token_id
    if found is None:
        found = tokenizer.eos_token_id
    return [found] if isinstance(found, int) else list(found or [])
