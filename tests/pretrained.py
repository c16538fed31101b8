"""Pretrained models, tiny and random, saved as from the hub."""

from pathlib import Path

from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    BertTokenizer,
    MT5Config,
    MT5ForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)

from distilwhy.students.families.tokenizer import train_tokenizer

TEXTS = ["The router drops 42 calls a day.", "A camera, 7 years old; naïve café.", "Line Desk"] * 3


def save_pretrained(kind: str, folder: Path) -> Path:
    """A tiny random model of a family that distilwhy takes, as a user would have it on disk."""
    tokenizer = train_tokenizer(TEXTS, 400)
    shape = {"vocab_size": len(tokenizer), "d_model": 16}
    ends = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    t5 = {"d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, **shape, **ends}
    if kind == "bart":
        halves = {
            f"{half}_{what}": size
            for half in ("encoder", "decoder")
            for what, size in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 32))
        }
        config = BartConfig(
            **shape,
            **ends,
            **halves,
            bos_token_id=2,
            forced_bos_token_id=2,
            forced_eos_token_id=None,
            decoder_start_token_id=tokenizer.eos_token_id,
        )
        model = BartForConditionalGeneration(config)
    elif kind == "mt5":
        model = MT5ForConditionalGeneration(MT5Config(**t5))
    else:
        model = T5ForConditionalGeneration(T5Config(**t5, tie_word_embeddings=kind == "t5"))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_bert(folder: Path) -> Path:
    """A tiny random BERT with a lower-casing WordPiece tokenizer, as MiniLM has one."""
    words = sorted({*"abcdefghijklmnopqrstuvwxyz0123456789.,()+-*/", "the", "router", "calls"})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    vocabulary += [f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz0123456789"]
    tokenizer = BertTokenizer(vocab={word: at for at, word in enumerate(vocabulary)})
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
