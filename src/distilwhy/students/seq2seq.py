"""Encoder–decoder backbones: T5, Flan-T5, mT5, BART, and a small T5 from scratch.

One pass over the source serves both tasks: the encoder runs once, and the token that opens the
decoder names the task. The label opens with the model's own start token, so that a saved student
answers with a label to plain ``generate``; the rationale opens with ``<rationale>``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from distilwhy.config import ScratchConfig, StudentConfig
from distilwhy.core.method import TargetTask
from distilwhy.errors import StudentError

RATIONALE_TOKEN = "<rationale>"
_PAD, _END, _UNKNOWN = "<pad>", "</s>", "<unk>"


@dataclass(frozen=True)
class Backbone:
    """A model with its tokenizer, and the token that opens the decoder for each task."""

    model: Any
    tokenizer: Any

    def opens(self, task: TargetTask) -> int:
        """The id of the decoder's first input token for a task."""
        if task == "rationale":
            return int(self.tokenizer.convert_tokens_to_ids(RATIONALE_TOKEN))
        return int(self.model.config.decoder_start_token_id)

    @property
    def parameters(self) -> int:
        """The number of the model's parameters, shared ones counted once."""
        return sum(p.numel() for p in self.model.parameters())


def build_backbone(config: StudentConfig, texts: Iterable[str], seed: int) -> Backbone:
    """The student before training.

    Args:
        texts: What a tokenizer from scratch is trained on; not read for a pretrained model.
        seed: Draws the weights that are new.

    Raises:
        StudentError: if the model cannot be loaded, or is no encoder–decoder.
    """
    torch.manual_seed(seed)
    if config.model == "scratch":
        return _scratch(config, texts)
    return load_backbone(config.model, config.max_label_tokens)


def load_backbone(model: str | Path, max_label_tokens: int) -> Backbone:
    """A pretrained or saved encoder–decoder from a folder or the hub, ready for both tasks.

    Raises:
        StudentError: if it cannot be loaded, or is no encoder–decoder.
    """
    try:
        config = AutoConfig.from_pretrained(model)
        if not config.is_encoder_decoder:
            raise StudentError(
                f"student.model {str(model)!r} is a {config.model_type}, no encoder–decoder; "
                "use a T5, Flan-T5, mT5 or BART, or 'scratch'"
            )
        tokenizer = AutoTokenizer.from_pretrained(model)
        network = AutoModelForSeq2SeqLM.from_pretrained(model, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, StudentError):
            raise
        raise StudentError(
            f"student.model {str(model)!r} cannot be loaded ({str(error).splitlines()[0]}); "
            "name a local folder with a transformers model, a hub model, or 'scratch'"
        ) from error
    return _ready(network, tokenizer, max_label_tokens)


def _ready(network: Any, tokenizer: Any, max_label_tokens: int) -> Backbone:
    """Give a model the rationale token and a generation config that does nothing but our job."""
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [RATIONALE_TOKEN]}, replace_extra_special_tokens=False
    )
    if len(tokenizer) > network.get_input_embeddings().num_embeddings:
        network.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    config, former = network.config, network.generation_config
    if getattr(config, "decoder_start_token_id", None) is None:
        config.decoder_start_token_id = tokenizer.pad_token_id
    network.generation_config = GenerationConfig(
        decoder_start_token_id=config.decoder_start_token_id,
        bos_token_id=former.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        forced_bos_token_id=former.forced_bos_token_id,
        max_new_tokens=max_label_tokens,
    )
    return Backbone(network, tokenizer)


def _scratch(config: StudentConfig, texts: Iterable[str]) -> Backbone:
    tokenizer = train_tokenizer(texts, config.scratch.vocabulary)
    shape = config.scratch
    network = T5ForConditionalGeneration(_t5_config(shape, tokenizer))
    return _ready(network, tokenizer, config.max_label_tokens)


def _t5_config(shape: ScratchConfig, tokenizer: PreTrainedTokenizerFast) -> T5Config:
    if shape.width % shape.heads:
        raise StudentError(
            f"student.scratch.width {shape.width} does not divide by its {shape.heads} heads"
        )
    return T5Config(
        vocab_size=len(tokenizer),
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


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer over the task's own text, with every digit a token.

    Byte level: no text is ever unknown to it. Digits apart: numbers are spelt, not memorised.
    """
    core = Tokenizer(models.BPE(unk_token=None))
    core.normalizer = normalizers.Prepend(" ")
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[_PAD, _END, _UNKNOWN, RATIONALE_TOKEN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    core.post_processor = processors.TemplateProcessing(
        single=f"$A {_END}", special_tokens=[(_END, core.token_to_id(_END))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=_PAD, eos_token=_END, unk_token=_UNKNOWN
    )
