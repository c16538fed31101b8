"""Building the models of encoder–decoder students."""

from collections.abc import Iterable
from typing import Any

from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    EncoderDecoderModel,
    T5Config,
    T5ForConditionalGeneration,
)

from distilwhy.config import StudentConfig
from distilwhy.students.families.tokenizer import train_tokenizer
from distilwhy.students.pretrained import Pretrained, mark_fresh, read_fresh


def warm_start(found: Pretrained, tokenizer: Any, config: StudentConfig) -> Any:
    """A pretrained encoder with a decoder, fresh or copied from it (Rothe, Narayan & Severyn
    2020, *Leveraging Pre-trained Checkpoints for Sequence Generation Tasks*).

    A copied decoder has the encoder's own layers with fresh cross-attention. A fresh one has
    ``student.decoder_layers`` new layers and takes only the embeddings.
    """
    encoder = found.model(AutoModel)
    if hasattr(encoder, "pooler"):
        encoder.pooler = None
    decoder, fresh = _warm_decoder(found, encoder, config)
    model = EncoderDecoderModel(encoder=encoder, decoder=decoder)
    mark_fresh(model, (f"decoder.{name}" for name in fresh))
    tokenizer.bos_token = tokenizer.bos_token or tokenizer.cls_token
    tokenizer.eos_token = tokenizer.eos_token or tokenizer.sep_token
    model.config.decoder_start_token_id = tokenizer.bos_token_id
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.eos_token_id = tokenizer.eos_token_id
    return model


def _warm_decoder(
    found: Pretrained, encoder: Any, config: StudentConfig
) -> tuple[Any, frozenset[str]]:
    """A decoder for an encoder, and the names of its fresh parameters."""
    shape = found.config()
    shape.is_decoder = shape.add_cross_attention = True
    shape.tie_word_embeddings = True
    if config.decoder == "copied":
        decoder = found.model(AutoModelForCausalLM, shape)
        return decoder, read_fresh(decoder)
    shape.num_hidden_layers = config.decoder_layers
    decoder = found.fresh(AutoModelForCausalLM, shape)
    words = decoder.get_input_embeddings().weight
    words.data = encoder.get_input_embeddings().weight.detach().clone()
    decoder.tie_weights()
    return decoder, frozenset(n for n, p in decoder.named_parameters() if p is not words)


def scratch_seq2seq(
    config: StudentConfig, texts: Iterable[str], vocabulary: int | None = None
) -> tuple[Any, Any]:
    """A small T5 from scratch, and a tokenizer trained on ``texts``.

    Args:
        vocabulary: The model's; None for the tokenizer's.
    """
    shape = config.scratch
    tokenizer = train_tokenizer(texts, shape.vocabulary)
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocabulary or len(tokenizer),
            d_model=shape.width,
            d_kv=shape.width // shape.heads,
            d_ff=shape.feedforward,
            num_layers=shape.layers,
            num_heads=shape.heads,
            dropout_rate=shape.dropout,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            decoder_start_token_id=tokenizer.pad_token_id,
        )
    )
    return model, tokenizer
