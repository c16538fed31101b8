"""Tiny encoder students, and what they make of training rows."""

from pathlib import Path

from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    PretrainedConfig,
    RobertaConfig,
)

from distilwhy.config import ScratchConfig, StudentConfig
from distilwhy.core.method import METHODS, Target, TrainingRow
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import RowFormat, Task
from distilwhy.students.batch import to_device
from distilwhy.students.encoding import DrawnRow, Truncator
from distilwhy.students.families.encoder import EncoderNetwork
from distilwhy.students.families.encoder_model import scratch_encoder
from distilwhy.students.load import build_network
from distilwhy.students.logits import TaskOutput
from distilwhy.students.spec import StudentSpec

TEXTS = ["the red door is open", "a blue lamp, broken", "green grass grows tall"] * 3
LABELS = ("colour", "thing", "plant")
FIXED = Task("", RowFormat("{{ x }}"), Answer("choice", LABELS))
OWN = Task("", RowFormat("{{ x }}", options="o"), Answer("choice"))
TINY = ScratchConfig(width=32, layers=1, heads=2, feedforward=32, vocabulary=300, dropout=0.0)
LIMITS = StudentConfig(
    family="encoder",
    scratch=TINY,
    decoder_layers=1,
    max_input_tokens=48,
    max_label_tokens=8,
    max_rationale_tokens=12,
)
CLOSED = float("-inf")


def make_spec(
    method: str = "step-by-step",
    task: Task = FIXED,
    limits: StudentConfig = LIMITS,
    two_passes: bool = False,
) -> StudentSpec:
    return StudentSpec(task, METHODS[method], limits, two_passes)


def scratch(wanted: StudentSpec, seed: int = 0) -> EncoderNetwork:
    network = build_network(wanted, TEXTS, seed)
    assert isinstance(network, EncoderNetwork)
    return network.eval()


def losses(network: EncoderNetwork, *rows: TrainingRow) -> dict[str, TaskOutput]:
    """What the network makes of some rows, by task, pooled logits among it."""
    network.pools = True
    truncator = Truncator(network.spec.config)
    encoded = [network.encode(row, truncator) for row in rows]
    batch = network.collate([DrawnRow(row, row.variants[0]) for row in encoded])
    return {output.task: output for output in network(to_device(batch, network.device))}


def row(text: str, *targets: Target, options: tuple[str, ...] = ()) -> TrainingRow:
    return TrainingRow(text, targets, options)


def count_passes(network: EncoderNetwork) -> list[int]:
    """A list that grows by one with each pass of the encoder."""
    calls: list[int] = []
    network.model.base_model.register_forward_hook(lambda *_: calls.append(1))
    return calls


def pretrained(kind: str, folder: Path) -> Path:
    """A tiny random encoder of some architecture, as a user would have it on disk."""
    _, tokenizer = scratch_encoder(make_spec(), TEXTS)
    width = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape = {"vocab_size": len(tokenizer), "intermediate_size": 32, **width}
    marks = {"bos_token_id": 3, "eos_token_id": 1, "cls_token_id": 3, "sep_token_id": 1}
    configs: dict[str, PretrainedConfig] = {
        "bert": BertConfig(**shape),
        "roberta": RobertaConfig(**shape, max_position_embeddings=50, pad_token_id=0),
        "electra": ElectraConfig(**shape, embedding_size=8),
        "distilbert": DistilBertConfig(
            vocab_size=len(tokenizer), dim=16, n_layers=2, n_heads=2, hidden_dim=32
        ),
        "deberta": DebertaV2Config(
            **shape,
            relative_attention=True,
            pos_att_type=["p2c", "c2p"],
            position_buckets=8,
            position_biased_input=False,
            type_vocab_size=0,
        ),
        "modernbert": ModernBertConfig(**shape, **marks, pad_token_id=0),
    }
    model = AutoModelForSequenceClassification.from_config(configs[kind])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


KINDS = ["bert", "roberta", "electra", "distilbert", "deberta", "modernbert"]
