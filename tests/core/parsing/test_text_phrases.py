"""Texts that stand by themselves where a reply begins or ends, and what comes near them."""

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task

CAPITAL = "What is the capital of Canada?"
ORDER = "Order 12 by R. Lind, paid on 4 May.\n\nExtract the customer. Say where it stands."


def read(row: str, reply: str) -> str | None:
    task = Task("", RowFormat("{{ text }}"), Answer("text"))
    return parse_completion(task, Example("1", row), Completion(reply)).label


@pytest.mark.parametrize(
    ("row", "reply", "text"),
    [
        (CAPITAL, "Ottawa. It lies on the river of the same name.", "Ottawa"),
        (CAPITAL, "Ottawa, since the parliament sits there.", "Ottawa"),
        (CAPITAL, "Ottawa (the largest city is Toronto).", "Ottawa"),
        (CAPITAL, "Ottawa – the capital since 1857.", "Ottawa"),
        ("Who discovered radium?", "Marie Curie; her husband helped.", "Marie Curie"),
        ("In which month is it held?", "May.\n\nIt is held by the river.", "May"),
        ("When was it signed?", "July 4, 1776. It was hot.", "July 4, 1776"),
        ("日本の首都は？", "東京。", "東京"),
        ("中国的首都是哪里？", "北京。", "北京"),
        ("¿Qué río pasa por El Cairo?", "El Nilo, que nace en África central.", None),
        (
            CAPITAL,
            "It has kept its parliament for long, hence the capital: Ottawa.",
            "Ottawa",
        ),
        (CAPITAL, "Toronto is larger, thus: Ottawa", "Ottawa"),
        ("Which metal is liquid?", "Iron is solid.\n\n=> mercury", "mercury"),
        ("Give the plural of mouse.", "mouse -> mice", "mice"),
        ("Le pluriel de « cheval » ?", "« cheval » → « chevaux »", "chevaux"),
        ("Passage: It ran under USD.\nWhich currency?", "Line 1 has it.\n\nUSD", "USD"),
    ],
)
def test_a_phrase_at_an_end_is_a_text(row: str, reply: str, text: str | None) -> None:
    assert read(row, reply) == text


@pytest.mark.parametrize(
    "reply",
    [
        "Sure. Let me look it up.",
        "Hello! How can I help you?",
        "Gute Frage! Ich muss passen.",
        "Insufficient Information. The passage does not mention it.",
        "Pass. I have no idea.",
        "Toronto – no, that is wrong.",
        "Toronto (perhaps).",
        "Toronto. Or Ottawa.",
        "Toronto, as some say.",
        "Kingston\nMontreal\nOttawa",
        "Kingston; Montreal; Ottawa.",
        "Le texte. Il ne le dit pas.",
        "It could be one of two cities.\n\nToronto",
        "Former capital: Kingston",
        "The answer is Toronto, which I doubt.",
        "Désolé, je ne peux pas répondre.",
        "Unknown. The passage does not say.",
        "Canada. Its capital was chosen in 1857.",
        "1. Look at the map.",
        "It burned down.",
        "わかりません。",
        "不知道。",
        "他们住在那里。",
        "The rule is simple: who knows?",
        "Some people say: Toronto",
    ],
)
def test_other_phrases_are_none(reply: str) -> None:
    assert read(CAPITAL, reply) is None


@pytest.mark.parametrize(
    ("row", "reply", "text"),
    [
        (ORDER, "It stands in line 1. The customer is R. Lind.", "R. Lind"),
        (ORDER, "Customer: R. Lind\nDate: 4 May", "R. Lind"),
        ("Who placed it?", "It was placed by R. Lind on 4 May.", "R. Lind"),
        ("Who discovered radium?", "Radium was discovered by Marie Curie in 1898.", "Marie Curie"),
        ("Which metal is liquid?", "Not Iron, not Lead, but Mercury.", "Mercury"),
        ("Qual é a capital do Brasil?", "Não é o Rio de Janeiro; é Brasília.", "Brasília"),
        (CAPITAL, "One might think of Toronto, but it's Ottawa.", "Ottawa"),
        (CAPITAL, "That would be Ottawa!", "Ottawa"),
        ("When did the museum move?", "The museum moved in 2003, after a fire.", "2003"),
        ("「坊っちゃん」の作者は誰ですか。", "「坊っちゃん」の作者は夏目漱石です。", "夏目漱石"),
        (
            "日本で一番長い川は何ですか。",
            "日本で最も長い川は信濃川です。長さは367キロです。",
            "信濃川",
        ),
        (CAPITAL, "The big cities are Toronto, Montreal and Vancouver.", None),
        (CAPITAL, "If it is the seat of the crown, it's Ottawa.", None),
        ("Translate 'Gift'.", "A gift is a present, but not so in German.", None),
        ("Who wrote it?", "It was written by Ann Lee and signed by Bo Ray.", None),
        ("Who opened it?", "It burned down. The roof was repaired by Ann Lee.", None),
        ("Who opened it?", "It was opened by Ann Lee or Bo Ray.", None),
        ("Who opened it?", "It is owned by Ann Lee.", None),
        ("中国的首都是哪里？", "首都不是上海。", None),
        ("日本の首都は？", "昔の首都は京都です。", None),
        ("What is the order date?", "Order date: missing\nCustomer: R. Lind", None),
        ("What is the title of the book?", "Book: hardback\nAuthor: Anna Berg", None),
    ],
)
def test_clauses_that_say_what_is_asked(row: str, reply: str, text: str | None) -> None:
    assert read(row, reply) == text


@pytest.mark.parametrize(
    ("row", "reply", "text"),
    [
        ("Feld: Nummer", '{"Nummer": "R-8812", "Datum": "7.11."}', "R-8812"),
        ("乙方是谁？", '{"甲方": "海棠", "乙方": "顺通"}', "顺通"),
        ("Who wrote the report?", '{"report": "Annual Review", "year": "2004"}', None),
        ("Translate the word pons.", '{"word": "pons", "gender": "m"}', None),
    ],
)
def test_the_field_that_the_question_names(row: str, reply: str, text: str | None) -> None:
    assert read(row, reply) == text


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("die Zugspitze", "Zugspitze", True),
        ("l'azote", "azote", True),
        ("La Paz", "la paz", True),
        ("die", "der", False),
        ("Las", "Los", False),
    ],
)
def test_articles_of_other_languages(left: str, right: str, same: bool) -> None:
    assert Answer("text").same(left, right) is same
