"""Building the models of encoder students."""

from collections.abc import Iterable
from typing import Any

from tokenizers import processors
from transformers import AutoModel, AutoModelForSequenceClassification, BertConfig

from distilwhy.students.families.tokenizer import LABEL_TOKEN, train_tokenizer
from distilwhy.students.pretrained import Pretrained
from distilwhy.students.settings import check_encoder_answer
from distilwhy.students.spec import StudentSpec


def load_encoder(found: Pretrained, spec: StudentSpec) -> Any:
    """A pretrained or saved encoder, with a classification head where the labels are fixed.

    Raises:
        StudentError: if the answer is not a choice.
    """
    labels = _fixed_labels(spec)
    return found.classifier(labels) if labels else _without_pooler(found.model(AutoModel))


def scratch_encoder(
    spec: StudentSpec, texts: Iterable[str], vocabulary: int | None = None
) -> tuple[Any, Any]:
    """A small BERT from scratch, and a tokenizer trained on ``texts``.

    Args:
        vocabulary: The model's; None for the tokenizer's.

    Raises:
        StudentError: if the answer is not a choice.
    """
    labels, shape = _fixed_labels(spec), spec.config.scratch
    tokenizer = train_tokenizer(texts, shape.vocabulary)
    # The head reads the label where BERT has [CLS].
    start, end = LABEL_TOKEN, tokenizer.eos_token
    tokenizer.cls_token, tokenizer.sep_token = start, end
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, tokenizer.cls_token_id), (end, tokenizer.sep_token_id)],
    )
    config = BertConfig(
        vocab_size=vocabulary or len(tokenizer),
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feedforward,
        hidden_dropout_prob=shape.dropout,
        attention_probs_dropout_prob=shape.dropout,
        max_position_embeddings=spec.config.max_input_tokens,
        type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id,
    )
    if not labels:
        return _without_pooler(AutoModel.from_config(config)), tokenizer
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    return AutoModelForSequenceClassification.from_config(config), tokenizer


def _without_pooler(model: Any) -> Any:
    """The model without its pooler: the head for options pools by itself."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model


def _fixed_labels(spec: StudentSpec) -> tuple[str, ...]:
    check_encoder_answer(spec.task.answer)
    return spec.task.answer.labels
