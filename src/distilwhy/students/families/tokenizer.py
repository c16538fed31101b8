"""A tokenizer trained on the task's own text, for students from scratch."""

from collections.abc import Iterable

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

LABEL_TOKEN, RATIONALE_TOKEN = "<label>", "<rationale>"
_PAD, _END, _UNKNOWN = "<pad>", "</s>", "<unk>"


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer in which every digit is a token.

    Being byte-level, it can encode any text. Single digits let a student spell numbers instead of
    memorising them.
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
        special_tokens=[_PAD, _END, _UNKNOWN, LABEL_TOKEN, RATIONALE_TOKEN],
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
