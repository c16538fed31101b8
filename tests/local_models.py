"""Tiny random language models, as teachers in this process."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    MptConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from distilwhy.config import LocalTeacherConfig
from distilwhy.core.prompt import Prompt, PromptPrefix
from distilwhy.teachers.local.generate import EncodedPrompt, Generator

WORDS = 300
TOKENS = 12
SHAPE = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}
GPT = {"vocab_size": WORDS, "bos_token_id": None, "eos_token_id": None}
SHAPES: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaConfig(**SHAPE),
    "qwen3": lambda: Qwen3Config(**SHAPE, head_dim=8),
    "gpt2": lambda: GPT2Config(**GPT, n_embd=32, n_layer=2, n_head=4, n_positions=256),
    "gemma2": lambda: Gemma2Config(**SHAPE, head_dim=8, sliding_window=8),
    "mistral": lambda: MistralConfig(**SHAPE, sliding_window=6),
    "dynamic": lambda: LlamaConfig(
        **SHAPE, rope_parameters={"rope_type": "dynamic", "factor": 2.0}
    ),
    "bloom": lambda: BloomConfig(**GPT, hidden_size=32, n_layer=2, n_head=4),
    "mpt": lambda: MptConfig(vocab_size=WORDS, d_model=32, n_layers=2, n_heads=4, max_seq_len=256),
}
CACHES_PREFIXES = ("llama", "qwen3", "gpt2")


def make_model(kind: str = "llama") -> Any:
    """A small random model whose weights are large enough for its logits to differ."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(SHAPES[kind]())
    for weight in model.parameters():
        if weight.dim() == 2:
            torch.nn.init.normal_(weight, std=0.2)
    return model


def make_tokenizer() -> Any:
    """One with a word for every token, so that all that is written can be read."""
    words = {f"w{i}": i for i in range(WORDS)}
    core = Tokenizer(models.WordLevel(words, unk_token="w1"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="w1")


def settings(**changes: Any) -> LocalTeacherConfig:
    given: dict[str, Any] = {"max_tokens": TOKENS, "stop": [], **changes}
    return LocalTeacherConfig(kind="local", model="noise", **given)


def make_generator(kind: str = "llama", model: Any = None, **changes: Any) -> Generator:
    return Generator(model or make_model(kind), make_tokenizer(), settings(**changes))


def encoded_prompts(
    lengths: Sequence[int] = (9, 3, 14, 7, 1), head: int = 40
) -> list[EncodedPrompt]:
    """Prompts that begin alike."""
    drawn = torch.Generator().manual_seed(head)
    start = torch.randint(2, WORDS, (head,), generator=drawn).tolist()
    return [
        EncodedPrompt(start + torch.randint(2, WORDS, (n,), generator=drawn).tolist(), seed)
        for seed, n in enumerate(lengths)
    ]


def prompts(count: int) -> list[Prompt]:
    return [Prompt(str(i), PromptPrefix(()), "w2 w3 " * (i * 7 % 30)) for i in range(count)]
