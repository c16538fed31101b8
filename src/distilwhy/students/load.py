"""Building a student's network, from its settings or from a saved folder."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from distilwhy.core.wording import suggest
from distilwhy.errors import DistilwhyError, StudentError
from distilwhy.model_files import PACKAGES, ModelFiles, ModelFilesError, find_files, is_on_disk
from distilwhy.students.families.causal import scratch_causal
from distilwhy.students.families.causal_head.network import causal_network
from distilwhy.students.families.encoder import EncoderNetwork
from distilwhy.students.families.encoder_model import load_encoder, scratch_encoder
from distilwhy.students.families.seq2seq import Seq2SeqNetwork
from distilwhy.students.families.seq2seq_model import scratch_seq2seq, warm_start
from distilwhy.students.lora import load_adapted
from distilwhy.students.network import Family, Network
from distilwhy.students.pretrained import Pretrained
from distilwhy.students.settings import SCRATCH, check_settings
from distilwhy.students.spec import StudentSpec

_SIZES = ("small", "base", "large")
# Names that a misspelt one is compared with.
_NAMES = (
    SCRATCH,
    *PACKAGES,
    *(f"google/{kind}-{size}" for kind in ("t5-v1_1", "flan-t5") for size in _SIZES),
    *(f"google-t5/t5-{size}" for size in _SIZES),
    *(f"google/mt5-{size}" for size in _SIZES),
    *(f"facebook/bart-{size}" for size in _SIZES[1:]),
    *(f"HuggingFaceTB/SmolLM2-{size}" for size in ("135M", "360M", "1.7B")),
    *(f"Qwen/Qwen3-{size}" for size in ("0.6B", "1.7B", "4B")),
    *(f"answerdotai/ModernBERT-{size}" for size in _SIZES[1:]),
    *(f"microsoft/deberta-v3-{size}" for size in _SIZES),
    *(f"FacebookAI/roberta-{size}" for size in _SIZES[1:]),
    "google-bert/bert-base-uncased",
    "sentence-transformers/all-MiniLM-L6-v2",
)


def build_network(
    spec: StudentSpec, texts: Iterable[str], seed: int, model: str | None = None
) -> Network:
    """A student before training, whose fresh weights are drawn by ``seed``.

    Args:
        texts: What the tokenizer of a student from scratch is trained on; otherwise not read.
        model: The model's folder or hub name; None for ``spec.config.model``.

    Raises:
        StudentError: if the model cannot be loaded, or is not of the family asked for.
    """
    torch.manual_seed(seed)
    if spec.config.model == SCRATCH:
        return _scratch(spec, texts)
    name = model or spec.config.model
    with _one_line_errors(name):
        found = Pretrained(name, find_files(name))
        return _check_labels(_pretrained(found, spec))


def outline_network(spec: StudentSpec, model: str, vocabulary: int | None = None) -> Network:
    """A student on torch's ``meta`` device, without any weights, to check and to size it.

    Args:
        model: The model's folder, or its name on the hub, whose config and tokenizer are fetched;
            or ``scratch``.
        vocabulary: The size of a vocabulary from scratch; None for the smallest.

    Raises:
        StudentError: if the model cannot become such a student.
    """
    if model == SCRATCH:
        with torch.device("meta"):
            return _scratch(spec, (), vocabulary)
    with _one_line_errors(model):
        found = Pretrained(model, find_files(model), without_weights=True)
        return _check_labels(_pretrained(found, spec))


def is_local(model: str) -> bool:
    """Whether a model's config and tokenizer are on this machine."""
    if is_on_disk(model):
        return True
    files = ("config.json", "tokenizer_config.json")
    try:
        return all(isinstance(try_to_load_from_cache(model, file), str) for file in files)
    except ValueError:  # Not a valid hub name.
        return False


def load_network(folder: Path, family: Family, spec: StudentSpec) -> Network:
    """A saved student's network.

    Raises:
        StudentError: if it cannot be loaded.
    """
    with _one_line_errors(str(folder)):
        found = Pretrained(str(folder), ModelFiles(str(folder)))
        network = _saved(found, family, spec)
        network.load_parts(folder)
        return network


def read_family(found: Pretrained, wanted: str) -> tuple[Family, Family]:
    """The family of a model by its config, and the one it is to become, by ``student.family``.

    Raises:
        StudentError: if the model cannot become a student of that family.
    """
    config = found.config()
    own = _own_family(config)
    chosen: Family = own if wanted == "auto" else wanted  # type: ignore[assignment]
    if chosen != own and (own, chosen) != ("encoder", "seq2seq"):
        raise StudentError(
            f"student.model {found.name!r} is a {config.model_type}, of the family {own!r}; it "
            f"cannot be a student of the family {chosen!r}: set student.family to auto"
        )
    if chosen != own and config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise StudentError(
            f"student.model {found.name!r} is a {config.model_type}, for which transformers has "
            "no decoder; for student.family seq2seq use a BERT, RoBERTa, ELECTRA or MiniLM, or "
            "set student.family to encoder"
        )
    return own, chosen


def _own_family(config: Any) -> Family:
    if config.is_encoder_decoder:
        return "seq2seq"
    architecture = (getattr(config, "architectures", None) or [""])[0]
    if architecture.endswith(("ForCausalLM", "LMHeadModel")):
        return "causal"
    if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "encoder"
    if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "causal"
    raise StudentError(
        f"distilwhy cannot train a {config.model_type}; use an encoder–decoder (T5, BART), a "
        "decoder (Llama, Qwen) or an encoder (BERT, MiniLM)"
    )


def _saved(found: Pretrained, family: Family, spec: StudentSpec) -> Network:
    tokenizer = found.tokenizer()
    if family == "seq2seq":
        return Seq2SeqNetwork(found.model(AutoModelForSeq2SeqLM), tokenizer, spec)
    if family == "causal":
        return causal_network(found.model(AutoModelForCausalLM), tokenizer, spec)
    return EncoderNetwork(load_encoder(found, spec), tokenizer, spec, is_trained=True)


def _pretrained(found: Pretrained, spec: StudentSpec) -> Network:
    own, chosen = read_family(found, spec.config.family)
    if spec.config.lora is not None and chosen != "causal":
        raise StudentError(
            f"student.lora adapts decoder-only models, and {found.name!r} is to be of the family "
            f"{chosen!r}; remove student.lora"
        )
    if spec.config.label_head and chosen != "causal":
        raise StudentError(
            f"student.label_head is for decoder-only models, and {found.name!r} is of the family "
            f"{own!r}; remove student.label_head"
        )
    tokenizer = found.tokenizer()
    if chosen == "causal":
        lora = spec.config.lora
        model = load_adapted(found, lora) if lora else found.model(AutoModelForCausalLM)
        return causal_network(model, tokenizer, spec)
    if chosen == "encoder":
        return EncoderNetwork(load_encoder(found, spec), tokenizer, spec)
    if own == "encoder":
        return Seq2SeqNetwork(warm_start(found, tokenizer, spec.config), tokenizer, spec)
    return Seq2SeqNetwork(found.model(AutoModelForSeq2SeqLM), tokenizer, spec)


def _check_labels(network: Network) -> Network:
    network.check_apart(network.spec.task.answer.labels)
    return network


def _scratch(spec: StudentSpec, texts: Iterable[str], vocabulary: int | None = None) -> Network:
    config = spec.config
    check_settings(config, spec.task.answer)
    labels = spec.task.answer.labels
    if config.family == "causal":
        return causal_network(*scratch_causal(config, texts, labels, vocabulary), spec)
    if config.family == "encoder":
        return EncoderNetwork(*scratch_encoder(spec, texts, vocabulary), spec)
    return Seq2SeqNetwork(*scratch_seq2seq(config, texts, vocabulary), spec)


@contextmanager
def _one_line_errors(name: str) -> Iterator[None]:
    """Within the context, which loads a model, every error becomes one of ours, of one line."""
    try:
        yield
    except DistilwhyError:
        raise
    except ModelFilesError as error:
        raise StudentError(f"student.model {name!r} {error}") from error
    # A folder may hold anything, and transformers raises errors of all kinds.
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        near = "" if is_on_disk(name) else suggest(name, _NAMES)
        remedy = "; name a local folder with a transformers model, a hub model, or 'scratch'"
        raise StudentError(
            f"student.model {name!r} cannot be loaded ({(lines or [type(error).__name__])[0]})"
            f"{near or remedy}"
        ) from error
