"""Tiny decoder-only students, of every shape."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import processors
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma2Config,
    GPT2Config,
    GraniteConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MistralConfig,
    MptConfig,
    Qwen2Config,
    Qwen3Config,
)

from distilwhy.config import LoraConfig, ScratchConfig, StudentConfig
from distilwhy.core.method import METHODS, RationalePlacement, Target, TargetTask, TrainingRow
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.students.batch import to_device
from distilwhy.students.encoding import DrawnRow, Truncator
from distilwhy.students.families.causal import CausalNetwork
from distilwhy.students.families.tokenizer import train_tokenizer
from distilwhy.students.logits import TaskOutput
from distilwhy.students.spec import StudentSpec

KINDS = ("damage", "question", "very high praise")
RATIONALES = ("Something is broken.", "They ask 12 things.", "They are glad,\nand say so.")
TEXTS = ("The swing broke.", "Where is gate 7?", "What a lovely park, thank you!")
SMALL = ScratchConfig(width=32, layers=2, heads=2, feedforward=64, vocabulary=400, dropout=0.0)
LIMITS = StudentConfig(
    family="causal",
    scratch=SMALL,
    max_input_tokens=64,
    max_label_tokens=20,
    max_rationale_tokens=24,
)
LORA = LoraConfig(rank=8, alpha=16, dropout=0.0)
TASK = Task("", RowFormat("{{ x }}"), Answer("choice", KINDS))
PLACES: dict[RationalePlacement, str] = {
    "apart": "step-by-step",
    "input": "rationale-input",
    "before": "rationale-then-label",
    "after": "label-then-rationale",
}
EXAMPLES = [Example(str(i), text) for i, text in enumerate(TEXTS)]
CHAT = (
    "{% for message in messages %}[{{ message.role }}] {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]\n{% endif %}"
)
SHAPE = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "bos_token_id": None,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
GPT = {"vocab_size": 400, "bos_token_id": None, "eos_token_id": 1}
CONFIGS: dict[str, Any] = {
    "llama": lambda: LlamaConfig(**SHAPE),
    "qwen2": lambda: Qwen2Config(**SHAPE),
    "qwen3": lambda: Qwen3Config(**SHAPE, head_dim=8),
    "gpt2": lambda: GPT2Config(**GPT, n_embd=32, n_layer=2, n_head=4, n_positions=256),
    "granite": lambda: GraniteConfig(**SHAPE, logits_scaling=3.0),
    "gemma2": lambda: Gemma2Config(**SHAPE, head_dim=8, final_logit_softcapping=0.05),
    "mistral": lambda: MistralConfig(**SHAPE, sliding_window=6),
    "bloom": lambda: BloomConfig(**GPT, hidden_size=32, n_layer=2, n_head=4),
    "mpt": lambda: MptConfig(vocab_size=400, d_model=32, n_layers=2, n_heads=4, max_seq_len=256),
    "mamba": lambda: MambaConfig(vocab_size=400, hidden_size=32, num_hidden_layers=1),
}


def make_spec(
    place: RationalePlacement = "apart", limits: StudentConfig = LIMITS, **changes: Any
) -> StudentSpec:
    return StudentSpec(TASK, METHODS[PLACES[place]], limits, **changes)


def make_tokenizer(template: str | None = None) -> Any:
    """One that puts nothing before or after a text, and so no space either."""
    tokenizer = train_tokenizer([*TEXTS, *RATIONALES, *KINDS, CHAT] * 3, 400)
    tokenizer.backend_tokenizer.normalizer = None
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", special_tokens=[]
    )
    tokenizer.chat_template = template
    return tokenizer


def make_network(
    kind: str = "llama", spec: StudentSpec | None = None, **changes: Any
) -> CausalNetwork:
    """A small random network whose weights are large enough for its logits to differ."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIGS[kind]())
    for name, weight in model.named_parameters():
        if weight.dim() == 2 and "A_log" not in name:
            torch.nn.init.normal_(weight, std=0.2)
    tokenizer = make_tokenizer(changes.get("template"))
    network = CausalNetwork(model, tokenizer, spec or make_spec()).eval()
    network.pools = True
    return network


def save_llama(folder: Path, width: int = 64) -> Path:
    """A small random Llama with untied embeddings, as a user would have it on disk."""
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_row(number: int, place: RationalePlacement = "apart") -> TrainingRow:
    text, kind, why = TEXTS[number], KINDS[number], RATIONALES[number]
    if place == "apart":
        return TrainingRow(text, (Target("label", kind), Target("rationale", why, 0.5)))
    if place == "input":
        return TrainingRow(f"{text}\nRationale: {why}", (Target("label", kind),))
    told = {"before": why} if place == "before" else {"after": why}
    return TrainingRow(text, (Target("label", kind, **told),))


def draw(network: CausalNetwork, rows: Sequence[TrainingRow]) -> list[DrawnRow]:
    truncator = Truncator(network.spec.config)
    encoded = [network.encode(row, truncator) for row in rows]
    return [DrawnRow(row, row.variants[0]) for row in encoded]


def fit(
    network: CausalNetwork, rows: Sequence[TrainingRow], steps: int = 60, lr: float = 1e-2
) -> list[float]:
    """The losses on the way."""
    drawn = draw(network, rows)
    batch = to_device(network.collate(drawn), network.device)
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=lr)
    network.train()
    losses = []
    for _ in range(steps):
        loss = sum((o.weights * o.losses).sum() for o in network(batch)) / len(rows)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    network.eval()
    return losses


def outputs(network: CausalNetwork, drawn: Sequence[DrawnRow]) -> dict[TargetTask, TaskOutput]:
    batch = to_device(network.collate(drawn), network.device)
    return {output.task: output for output in network(batch)}


def own_loss(network: CausalNetwork, drawn: DrawnRow, index: int) -> torch.Tensor:
    """What transformers makes of the prompt with one target after it, and nothing else."""
    target = drawn.targets[index]
    given = [*drawn.row.sources[target.source], *target.opening]
    labels = torch.tensor([[-100] * len(given) + target.ids])
    ids = torch.tensor([given + target.ids])
    loss: torch.Tensor = network.model(input_ids=ids, labels=labels, use_cache=False).loss
    return loss
