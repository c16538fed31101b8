"""The tokenizer of students from scratch."""

from distilwhy.students.families.tokenizer import train_tokenizer
from pretrained import TEXTS


def test_any_text_survives_encoding_and_decoding():
    tokenizer = train_tokenizer(TEXTS, 400)
    for text in (*TEXTS, "unseen ẞ 漢字 🙂 3.14", "  two  spaces "):
        ids = tokenizer(text).input_ids
        assert ids[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(ids, skip_special_tokens=True).strip() == text.strip()


def test_every_digit_is_a_token():
    tokenizer = train_tokenizer(["84 84 84 84"] * 9, 400)
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("84").input_ids)
    assert [piece for piece in pieces if piece.strip("Ġ").isdigit()] == ["8", "4"]
