"""Students with the shapes of known models and random weights, and rows of known lengths.

Speed and memory do not depend on the weights.
"""

from dataclasses import dataclass
from random import Random

from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from distilwhy.config import StudentConfig
from distilwhy.core.method import METHODS, Target, TrainingRow
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import RowFormat, Task
from distilwhy.students.encoding import DrawnRow, EncodedRow, EncodedTarget
from distilwhy.students.families.causal import CausalNetwork
from distilwhy.students.families.encoder import EncoderNetwork
from distilwhy.students.families.seq2seq import Seq2SeqNetwork
from distilwhy.students.families.tokenizer import train_tokenizer
from distilwhy.students.network import Network
from distilwhy.students.spec import StudentSpec

LABELS = ("damage", "question", "praise", "request")
TEXT = "the door of a house by the sea was painted again over the years"
TASK = Task("", RowFormat("{{ x }}"), Answer("choice", LABELS))


@dataclass(frozen=True)
class Lengths:
    """The tokens of a row's input, label and rationale, each at most; no rationale if 0."""

    source: int
    label: int
    rationale: int


def t5(layers: int = 8, width: int = 512, vocabulary: int = 32128) -> T5ForConditionalGeneration:
    """T5-v1.1-small by default."""
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocabulary,
            d_model=width,
            d_kv=64,
            d_ff=2 * width,
            num_layers=layers,
            num_heads=max(1, 6 * width // 512),
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
            decoder_start_token_id=0,
        )
    )


def llama(layers: int = 30, width: int = 576, vocabulary: int = 49152) -> LlamaForCausalLM:
    """SmolLM2-135M by default."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=width * 8 // 3,
            num_hidden_layers=layers,
            num_attention_heads=max(1, width // 64),
            num_key_value_heads=max(1, width // 192),
            max_position_embeddings=8192,
            tie_word_embeddings=True,
        )
    )


def bert(
    layers: int = 6, width: int = 384, vocabulary: int = 30522
) -> BertForSequenceClassification:
    """MiniLM-L6 by default."""
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=max(1, width // 32),
            num_labels=len(LABELS),
            label2id={label: i for i, label in enumerate(LABELS)},
            id2label=dict(enumerate(LABELS)),
        )
    )


def small_t5(
    layers: int = 3, width: int = 128, vocabulary: int = 1000
) -> T5ForConditionalGeneration:
    """The student of the shipped task by default."""
    return t5(layers, width, vocabulary)


FAMILIES = {
    "demo": ("the shipped task", small_t5, Seq2SeqNetwork),
    "t5": ("T5-v1.1-small", t5, Seq2SeqNetwork),
    "smollm2": ("SmolLM2-135M", llama, CausalNetwork),
    "minilm": ("MiniLM-L6", bert, EncoderNetwork),
}


def make_network(kind: str, lengths: Lengths, method: str = "step-by-step", **size: int) -> Network:
    """A student of the shape ``demo``, ``t5``, ``smollm2`` or ``minilm``."""
    _, build, network = FAMILIES[kind]
    limits = StudentConfig(
        max_input_tokens=lengths.source,
        max_label_tokens=lengths.label,
        max_rationale_tokens=max(1, lengths.rationale),
    )
    tokenizer = train_tokenizer([TEXT, *LABELS], 300)
    tokenizer.cls_token, tokenizer.sep_token = tokenizer.pad_token, tokenizer.eos_token
    return network(build(**size), tokenizer, StudentSpec(TASK, METHODS[method], limits))


def make_rows(count: int, lengths: Lengths, seed: int = 0, spread: float = 0.5) -> list[EncodedRow]:
    """Rows of random tokens, whose lengths are spread evenly below the longest.

    Args:
        spread: The shortest rationale or input is so much shorter than the longest, as a share.
    """
    random = Random(seed)

    def ids(longest: int) -> list[int]:
        return random.choices(range(5, 300), k=round(longest * (1 - spread * random.random())))

    rows = []
    for _ in range(count):
        choice = random.randrange(len(LABELS))
        label = random.choices(range(5, 300), k=lengths.label)
        targets = [EncodedTarget("label", [0], label, choice=choice)]
        if lengths.rationale:
            targets.append(EncodedTarget("rationale", [2], ids(lengths.rationale)))
        rows.append(EncodedRow((ids(lengths.source),), (tuple(targets),)))
    return rows


def draw(rows: list[EncodedRow]) -> list[DrawnRow]:
    return [DrawnRow(row, row.variants[0]) for row in rows]


def count_tokens(rows: list[DrawnRow]) -> int:
    """The tokens that are read and written, without padding."""
    return sum(row.row.length + sum(len(t.ids) for t in row.targets) for row in rows)


def make_texts(count: int, words: int, seed: int = 0) -> list[TrainingRow]:
    """Rows of text whose label is the one that is named in it."""
    random = Random(seed)
    known = [
        "the",
        "door",
        "of",
        "a",
        "house",
        "by",
        "the",
        "sea",
        "was",
        "painted",
        "again",
        "over",
        "the",
        "years",
    ]
    rows = []
    for _ in range(count):
        label = random.choice(LABELS)
        text = random.choices(known, k=random.randint(words // 2, words - 1))
        text.insert(random.randrange(len(text)), label)
        why = f"It says {label}, and {' '.join(text[:12])}."
        rows.append(TrainingRow(" ".join(text), (Target("label", label), Target("rationale", why))))
    return rows
