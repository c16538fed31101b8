"""What a decoder-only student is refused for."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from causal import CHAT, CONFIGS, LIMITS, LORA, TEXTS, make_network, make_spec, make_tokenizer
from distilwhy.config import ScratchConfig
from distilwhy.errors import StudentError
from distilwhy.students.families.causal import CausalNetwork
from distilwhy.students.load import build_network, load_network


def test_a_student_from_scratch_has_no_adapters():
    limits = LIMITS.model_copy(update={"lora": LORA})
    with pytest.raises(StudentError, match=r"student\.lora adapts a pretrained model"):
        build_network(make_spec(limits=limits), TEXTS, seed=0)


def test_heads_of_an_odd_width_are_refused():
    shape = ScratchConfig(width=30, heads=2, vocabulary=400)
    limits = LIMITS.model_copy(update={"scratch": shape})
    with pytest.raises(StudentError, match=r"width 30 .* odd width 15; use a multiple of 4"):
        build_network(make_spec(limits=limits), TEXTS, seed=0)


def test_lengths_that_the_model_does_not_see_are_refused():
    limits = LIMITS.model_copy(update={"max_input_tokens": 250})
    with pytest.raises(StudentError, match=r"max_input_tokens 250 .* than the 256 .*; lower it"):
        make_network("gpt2", make_spec(limits=limits))


def test_a_template_that_leaves_no_room_is_refused():
    limits = LIMITS.model_copy(update={"max_input_tokens": 10})
    with pytest.raises(
        StudentError, match=r"max_input_tokens 10 leaves no room .* template; raise it"
    ):
        make_network(spec=make_spec(limits=limits), template=CHAT)


def test_a_tokenizer_without_an_end_is_refused():
    tokenizer = make_tokenizer()
    tokenizer.eos_token = None
    model = AutoModelForCausalLM.from_config(CONFIGS["llama"]())
    with pytest.raises(StudentError, match=r"has no eos_token.*tokenizer_config.json"):
        CausalNetwork(model, tokenizer, make_spec())


def test_a_folder_without_a_model_is_one_line(tmp_path: Path):
    with pytest.raises(StudentError, match="cannot be loaded") as caught:
        load_network(tmp_path, "causal", make_spec())
    assert "\n" not in str(caught.value)
