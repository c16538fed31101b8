"""Texts that a sentence states without a cue."""

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task

CAPITAL = "What is the capital of Canada?"
TREATY = "Wo wurde der Vertrag unterzeichnet?"


def read_text(row: str, reply: str) -> Annotation:
    task = Task("", RowFormat("{{ text }}"), Answer("text"))
    return parse_completion(task, Example("1", row), Completion(reply))


@pytest.mark.parametrize(
    ("row", "reply", "text"),
    [
        (CAPITAL, "The capital of Canada is Ottawa.", "Ottawa"),
        ("What is the symbol of sodium?", "Its symbol is **Na** (from *natrium*).", "Na"),
        (
            "Which river flows through Cairo?",
            "The river that flows through Cairo is the Nile.",
            "Nile",
        ),
        ("What is the hardest material?", "Diamond is the hardest natural material.", "Diamond"),
        ("Memo: Ann sails to Oslo.\nWhere does she sail to?", "She sails to Oslo.", "Oslo"),
        ("Who signed? 'Signed by Eva Lund.'", "The one who signed is Eva Lund.", "Eva Lund"),
        ("이집트를 흐르는 강은 무엇입니까?", "이집트를 흐르는 강은 나일강이에요.", "나일강"),
        (
            "手紙を書いたのは誰か。「花子は祖母に手紙を書いた」",
            "手紙を書いたのは花子です。",
            "花子",
        ),
        (CAPITAL, "Ottawa was chosen in 1857. The capital of Canada is Ottawa.", "Ottawa"),
        ("Who wrote Emma?", "Jane Austen wrote Emma.", "Jane Austen"),
        ("Quelle est la capitale du Canada ?", "La capitale du Canada est Ottawa.", "Ottawa"),
        (TREATY, "Der Vertrag wurde in Bremen unterzeichnet.", "Bremen"),
        ("When did the museum move?", "The museum moved in 2003.", "2003"),
        ("Memo: …\nName the employer.", "**Employer:** Acme Ltd", "Acme Ltd"),
        ("Name the employer.", "<employer>Acme Ltd</employer>", "Acme Ltd"),
        ("Name the employer.", "Bonn is a town.\n\n```\nAcme Ltd\n```", "Acme Ltd"),
        ("会社名を書いてください：「青木商事」", "東京は地名です。\n会社名：青木商事", "青木商事"),
        (CAPITAL, "Ottawa (not Toronto, as many think).", "Ottawa"),
        (CAPITAL, "C'est Ottawa.", "Ottawa"),
        (CAPITAL, "It is Ottawa", "Ottawa"),
        ("헝가리의 수도는?", "부다페스트예요. 도나우강이 흐릅니다.", "부다페스트"),
        ("「梟」の読みは？", "鳥の名です。読みは「ふくろう」です。", "ふくろう"),
        ("请写出“大”的反义词。", "“大”的反义词是“小”。", "小"),
        ("Wie heißt der Infinitiv?", "Es ist ein Verb. Der Infinitiv heißt „laufen“.", "laufen"),
        ("Le pluriel de « œil » ?", "Au pluriel, on dit « yeux », et non « œils ».", "yeux"),
        ("O plural de «mão»?", "O plural é «mãos», e não «mães».", "mãos"),
        ("¿Qué falta?", "Falta «pan», pues se dice «al pan, pan».", "pan"),
    ],
)
def test_a_sentence_in_the_words_of_the_question_or_a_quotation_states_a_text(
    row: str, reply: str, text: str
) -> None:
    assert read_text(row, reply).label == text


@pytest.mark.parametrize(
    "reply",
    [
        "The capital of Canada is a city in Ontario.",
        "Many think that the capital of Canada is Toronto.",
        "The capital of Canada is not Toronto.",
        "The capital of Canada is Ottawa or Toronto.",
        "The largest city is Toronto.",
        "Is the capital of Canada Toronto?",
        "<razón>Ottawa</razón>",
        "Canada (no city is named).",
        "Not Toronto.",
        "Canada is large. Its biggest city is Toronto.",
        "The cities are Ottawa, Toronto and Montreal.",
        "It is an old city.",
        'The author says that it is "Ottawa".',
        'The capital is "Ottawa" or "Toronto".',
        'Some say that it is "Toronto".',
        'The first letter is "O". The second letter is "t". The third letter of',
    ],
)
def test_no_other_sentence_states_a_text(reply: str) -> None:
    assert read_text(CAPITAL, reply).label is None


def test_the_sentence_is_no_reason() -> None:
    assert read_text("Who wrote Emma?", "Jane Austen wrote Emma.").rationale == ""


@pytest.mark.parametrize(
    ("row", "reply", "text"),
    [
        ("Field: dosage", "Value: [dosage]", None),
        ("What is the opposite of scarce?", "Opposite: abundant\n\nIt means enough.", "abundant"),
        ("Quel est le prénom ?", "Perrin est un nom.\n\nPrénom : Odile", "Odile"),
        ("Name the city.", "Firm: Acme\nCity: Oslo", "Oslo"),
        ("Qual era o destino?", "O destino era o Funchal.", "Funchal"),
        (CAPITAL, "The answer is **Ottawa**, which lies on a river (the Ottawa).", "Ottawa"),
        (CAPITAL, "The answer is **New Ottawa** Heights.", "New Ottawa Heights"),
        (CAPITAL, "The answer is **Ottawa**, Canada.", "Ottawa, Canada"),
        (CAPITAL, "Although Toronto is larger, the capital of Canada is Ottawa.", "Ottawa"),
        ("Name the tenant.", "Here it is:\n\n- **Tenant**: Li Wenbo", "Li Wenbo"),
        ("Extract the address.", "<extracted>help@acme.io</extracted>", "help@acme.io"),
        ("임대인은 누구인가?", "임대인은 김영호입니다.", "김영호"),
        ("加拿大的首都是哪里？", "加拿大的首都是渥太华。", "渥太华"),
        ("加拿大的首都是哪里？", "加拿大的首都是很美的城市。", None),
        ("カナダの首都は？", "カナダの首都はオタワです。", "オタワ"),
    ],
)
def test_a_head_or_a_topic_of_the_row_says_what_a_text_is(
    row: str, reply: str, text: str | None
) -> None:
    assert read_text(row, reply).label == text


@pytest.mark.parametrize(
    "rest", ["Let me know if **Ottawa** is meant.", "Q: Who is next?\nA: **Ann**"]
)
def test_what_is_in_bold_in_a_part_that_is_cut_off_is_no_answer(rest: str) -> None:
    assert read_text(CAPITAL, f"It is hard to say.\n\n{rest}").label is None
