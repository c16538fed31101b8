"""What a decoder-only student is refused for."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from causal import CHAT, CONFIGS, LIMITS, make_network, make_spec, make_tokenizer
from distilwhy.errors import StudentError
from distilwhy.students.families.causal import CausalNetwork
from distilwhy.students.load import load_network


def test_limits_beyond_the_decoder_s_positions_are_refused():
    limits = LIMITS.model_copy(update={"max_input_tokens": 250})
    with pytest.raises(StudentError, match=r"max_input_tokens 250 .* than the 256 .*; lower it"):
        make_network("gpt2", make_spec(limits=limits))


def test_a_chat_template_that_leaves_no_space_for_text_is_refused():
    limits = LIMITS.model_copy(update={"max_input_tokens": 10})
    with pytest.raises(
        StudentError, match=r"max_input_tokens 10 leaves no space .* template; raise it"
    ):
        make_network(spec=make_spec(limits=limits), template=CHAT)


def test_a_tokenizer_without_an_end_token_is_refused():
    tokenizer = make_tokenizer()
    tokenizer.eos_token = None
    model = AutoModelForCausalLM.from_config(CONFIGS["llama"]())
    with pytest.raises(StudentError, match=r"has no eos_token.*tokenizer_config.json"):
        CausalNetwork(model, tokenizer, make_spec())


def test_a_folder_without_a_model_is_a_one_line_error(tmp_path: Path):
    with pytest.raises(StudentError, match="cannot be loaded") as caught:
        load_network(tmp_path, "causal", make_spec())
    assert "\n" not in str(caught.value)
