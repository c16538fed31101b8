"""A tiny GGUF file, as llama.cpp would have converted it."""

import json
from pathlib import Path
from typing import Any

import gguf
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from causal import CHAT, SHAPE, make_tokenizer

QUANTIZED = gguf.GGMLQuantizationType.Q8_0
_NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def make_llama() -> Any:
    """A small random Llama whose weights are large enough for its logits to differ."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE, tie_word_embeddings=True))
    for weight in model.parameters():
        if weight.dim() == 2:
            torch.nn.init.normal_(weight, std=0.2)
    return model.eval()


def save_gguf(
    file: Path,
    *,
    architecture: str = "llama",
    template: str | None = CHAT,
    quantized: bool = False,
    without: str = "",
) -> Path:
    """Write ``make_llama`` and a tokenizer.

    Args:
        without: The name of a tensor that is left out.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(file, architecture)
    _describe(writer, SHAPE)
    _write_tokenizer(writer, template)
    for name, weight in make_llama().named_parameters():
        packed = _packed_name(name)
        if packed == without:
            continue
        values = _permute(weight.detach(), packed).numpy()
        if quantized and weight.dim() == 2:
            values = gguf.quants.quantize(values, QUANTIZED)
            writer.add_tensor(packed, values, raw_dtype=QUANTIZED)
        else:
            writer.add_tensor(packed, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _describe(writer: gguf.GGUFWriter, shape: dict[str, Any]) -> None:
    writer.add_name("tiny")
    writer.add_block_count(shape["num_hidden_layers"])
    writer.add_context_length(256)
    writer.add_embedding_length(shape["hidden_size"])
    writer.add_feed_forward_length(shape["intermediate_size"])
    writer.add_head_count(shape["num_attention_heads"])
    writer.add_head_count_kv(shape["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(shape["vocab_size"])


def _write_tokenizer(writer: gguf.GGUFWriter, template: str | None) -> None:
    tokenizer = make_tokenizer()
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    special = set(tokenizer.all_special_tokens)
    kinds = (gguf.TokenType.NORMAL, gguf.TokenType.CONTROL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([*vocabulary, *(f"[unused{i}]" for i in range(len(vocabulary), 400))])
    writer.add_token_types(
        [kinds[word in special] for word in vocabulary]
        + [gguf.TokenType.UNUSED] * (400 - len(vocabulary))
    )
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(False)
    if template:
        writer.add_chat_template(template)


def _packed_name(name: str) -> str:
    """llama.cpp's name of a parameter."""
    stem = name.removesuffix(".weight")
    if stem in _TOP:
        return f"{_TOP[stem]}.weight"
    layer, _, rest = stem.removeprefix("model.layers.").partition(".")
    return f"blk.{layer}.{_NAMES[rest]}.weight"


def _permute(weight: torch.Tensor, packed: str) -> torch.Tensor:
    """A weight in llama.cpp's order: it rotates neighbouring pairs of a query's numbers."""
    heads = {"attn_q": SHAPE["num_attention_heads"], "attn_k": SHAPE["num_key_value_heads"]}
    for name, count in heads.items():
        if f".{name}." in packed:
            split = weight.reshape(count, 2, -1, weight.shape[1])
            return split.swapaxes(1, 2).reshape(weight.shape).contiguous()
    return weight
