"""Low-rank adapters beside frozen weights (Hu et al. 2022, *LoRA: Low-Rank Adaptation of Large
Language Models*), optionally over 4-bit weights (Dettmers et al. 2023, *QLoRA: Efficient
Finetuning of Quantized LLMs*)."""

import copy
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from transformers.pytorch_utils import Conv1D

from distilwhy.config import LoraConfig
from distilwhy.errors import StudentError
from distilwhy.students.pretrained import Pretrained

_ADAPTER, _BASE_MODEL = "lora_", "base_model."


def load_adapted(found: Pretrained, lora: LoraConfig) -> Any:
    """A pretrained decoder with fresh adapters on every linear layer but the output layer.

    Only the adapters are trained. A model without weights gets none.

    Raises:
        StudentError: if peft, bitsandbytes or a GPU is missing.
    """
    if find_spec("peft") is None:
        raise StudentError(
            "student.lora needs peft, which is missing; pip install 'distilwhy[lora]'"
        )
    if lora.quantize == "4bit":
        _check_quantized(found)
    if found.without_weights:
        return found.model(AutoModelForCausalLM)
    import peft

    if lora.quantize == "4bit":
        model = peft.prepare_model_for_kbit_training(
            _load_quantized(found.files.place), use_gradient_checkpointing=False
        )
    else:
        model = found.model(AutoModelForCausalLM)
    adapters = peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
    )
    adapted = _adapt(model, adapters)
    _keep_adapters_only(adapted)
    return adapted


def adapted_weights(model: Any) -> list[Any]:
    """The weights that adapters are put beside: of every linear layer but the output layer."""
    output = model.get_output_embeddings()
    return [
        module.weight
        for module in model.modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not output
    ]


def is_adapted(model: Any) -> bool:
    """Whether a model has adapters."""
    return hasattr(model, "merge_and_unload")


def merge(adapted: Any) -> Any:
    """A plain model with the adapters added to its weights; the adapted one stays as it is.

    4-bit weights are loaded again and widened to 16 bits first. Added to 4-bit weights, most of
    what the adapters learnt would be rounded away.
    """
    if not getattr(adapted, "is_loaded_in_4bit", False):
        return copy.deepcopy(adapted).merge_and_unload()
    import peft

    plain = _load_quantized(adapted.get_base_model().name_or_path).dequantize(torch.bfloat16)
    widened = _adapt(plain, copy.deepcopy(adapted.peft_config["default"]))
    peft.set_peft_model_state_dict(widened, peft.get_peft_model_state_dict(adapted))
    return widened.merge_and_unload()


def _adapt(model: Any, adapters: Any) -> Any:
    import peft

    with warnings.catch_warnings():
        # peft uses a deprecated name of transformers; our users cannot change that.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return peft.get_peft_model(model, adapters)


def _check_quantized(found: Pretrained) -> None:
    if found.files.gguf:
        raise StudentError(
            f"student.lora.quantize '4bit' cannot quantize {found.name!r}, a GGUF file, again; set "
            "it to 'none'"
        )
    if not torch.cuda.is_available():
        raise StudentError("student.lora.quantize '4bit' needs a CUDA GPU; set it to 'none'")
    if find_spec("bitsandbytes") is None:
        raise StudentError(
            "student.lora.quantize '4bit' needs bitsandbytes, which is missing; "
            "pip install bitsandbytes, or set it to 'none'"
        )


def _load_quantized(folder: str | Path) -> Any:
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.bfloat16,
        quantization_config=quantization,
        trust_remote_code=False,
    )


def _keep_adapters_only(adapted: Any) -> None:
    """Leave frozen weights out of the state dict.

    They do not change, they are large, and 4-bit ones cannot be loaded into a module.
    """

    def drop_frozen(module: Any, state: dict[str, Any], prefix: str, metadata: Any) -> None:
        for name in [n for n in state if n.startswith(prefix) and _ADAPTER not in n]:
            del state[name]

    def forgive_frozen(module: Any, keys: Any) -> None:
        missing = [n for n in keys.missing_keys if _ADAPTER in n or _BASE_MODEL not in n]
        keys.missing_keys[:] = missing

    adapted.register_state_dict_post_hook(drop_frozen)
    adapted.register_load_state_dict_post_hook(forgive_frozen)
