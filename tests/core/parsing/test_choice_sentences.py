"""Choices that sentences state, or set aside, without a cue."""

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task
from reading import choose, read

LEVELS = ("P1", "P2", "P3")
TEAMS = ("billing", "network", "accounts")


@pytest.mark.parametrize(
    "reply",
    [
        "Opinions differ, but if I have to choose I'd say the mall.",
        "It isn't (a), as parks have no shops; it's (b), mall.",
        "The option that fits is (b) mall.",
        "Of the places you list, the right one is the mall.",
        "Please take mall as my answer.",
        "He likes shops and crowds. The conclusion for a Saturday in the rain: mall.",
        "Shops sell shoes. Mall\n\nI hope that helps, and that it stops raining.",
    ],
)
def test_a_sentence_states_a_choice(reply: str) -> None:
    assert choose(reply).label == "mall"


@pytest.mark.parametrize(
    "reply",
    [
        "Parks have no shops, so I cross out the park.",
        "He has no work to do there, so we can rule out the office.",
        "So I would exclude the mall.",
        "Ida says that the answer is (b) mall. We have not checked it.",
        "My neighbour's answer: mall. I haven't got one.",
        "Shoes are sold in the mall. If they were new, the answer would be mall. These are old.",
        "If it rains, it is the mall.",
        "I'd say mall, were it not for the rain.",
        "Anything but the mall.",
        "Mall here is only a word. The place that is meant is the park.",
        "The editors would presumably mark it as mall.",
        "The answer that most people give is (b) mall, and they are mistaken.",
        "That would be in character for a mall, and for a park. I lean neither way.",
        "Mall, for example, is a word that we took from English.",
        "Malls have shops. I would be careful with the park, if you walk, and with the office.",
        "There is a lot to say of shops. The park, for instance, has none.",
        "A rainy day would be a case for the mall; a sunny one for the park. Both apply.",
    ],
)
def test_a_sentence_that_sets_a_choice_aside_states_none(reply: str) -> None:
    assert choose(reply).label is None


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("There is a workaround. Because of that, P3 is my decision.", "P3"),
        ("All customers are affected.\n\n=> P1\n\nIt may be downgraded later.", "P1"),
        ("First impression: P3. After a second look, I change my answer to P1.", "P1"),
    ],
)
def test_a_level_is_decided(reply: str, label: str | None) -> None:
    assert read("choice", reply, labels=LEVELS).label == label


def test_the_reason_before_a_conclusion_in_one_sentence_is_kept() -> None:
    found = read("choice", "Routers are part of the wiring, so it is network.", labels=TEAMS)
    assert (found.label, found.rationale) == ("network", "Routers are part of the wiring")
    found = read("choice", "The ticket is therefore network.", labels=TEAMS)
    assert (found.label, found.rationale) == ("network", "")


def test_a_field_for_the_final_choice_is_read_in_a_broken_object_too() -> None:
    reply = 'Here it is:\n\n{"rationale": "A "mall" has shops.", "final_choice": "mall",}\n\nBye!'
    assert choose(reply).label == "mall"


PLACES = {
    "ja": ("公園", "店", "事務所"),
    "ko": ("공원", "가게", "사무실"),
    "zh": ("公园", "商店", "办公室"),
}
QUEUES = ("technical", "billing", "cancellation")


def pick(language: str, reply: str) -> str | None:
    """The place among the choices of what a reply states, as a letter."""
    options = PLACES[language]
    asked = "\n".join(f"({letter}) {each}" for letter, each in zip("abc", options, strict=True))
    task = Task("", RowFormat("{{ q }}", "label", options="choices"), Answer("choice"))
    found = parse_completion(task, Example("1", f"?\n{asked}", options), Completion(reply)).label
    return "abc"[options.index(found)] if found else None


@pytest.mark.parametrize(
    ("language", "reply", "letter"),
    [
        ("ja", "正解はBです。", "b"),
        ("ja", "Bが正解です。", "b"),
        ("ja", "よってAを選びます。", "a"),
        ("ja", "AではなくBです。", "b"),
        ("ja", "ビタミンBは体によい。", None),
        ("ko", "정답은 B입니다.", "b"),
        ("ko", "A가 맞습니다.", "a"),
        ("ko", "B번입니다.", "b"),
        ("zh", "B是正确的。", "b"),
        ("zh", "答案为A。", "a"),
    ],
)
def test_a_letter_may_stand_beside_words_that_are_not_parted(
    language: str, reply: str, letter: str | None
) -> None:
    assert pick(language, reply) == letter


@pytest.mark.parametrize(
    ("language", "reply", "letter"),
    [
        ("ja", "靴の話なので、店と考えるのが自然です。", "b"),
        ("ja", "この文は店に分類すべきです。", "b"),
        ("ja", "店に分類するのは適切ではない。", None),
        ("ja", "店と事務所の両方に該当します。", None),
        ("ja", "もし靴の話であれば、店に分類するのが適切です。", None),
        ("ja", "店に該当するかは難しい判断です。", None),
        ("ja", "店に分類する人もいます。", None),
        ("ko", "가게로 분류하면 안 됩니다.", None),
        ("ko", "가게를 선택하는 것은 실수입니다.", None),
        ("zh", "商店是合理的干扰项。", None),
        ("ko", "신발 이야기이므로 가게로 분류하는 것이 좋습니다.", "b"),
        ("ko", "가게가 가장 적절합니다.", "b"),
        ("ko", "가게로 분류하기는 어렵습니다.", None),
        ("zh", "商店最合适。", "b"),
        ("zh", "因此,商店是最合适的选择。", "b"),
        ("zh", "商店不是最合适的选择。", None),
    ],
)
def test_a_sentence_may_close_behind_its_choice_in_many_words(
    language: str, reply: str, letter: str | None
) -> None:
    assert pick(language, reply) == letter


def test_a_clause_that_goes_on_does_not_close() -> None:
    assert pick("ja", "店が自然ですが、事務所が正解です。") != "b"


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Technical is the best fit here.", "technical"),
        ("Technical fits best here.", "technical"),
        ("Although an invoice is named, technical is the better label.", "technical"),
        ("Between billing and technical, technical fits better.", "technical"),
        ("Technical staff would be the right people to ask.", None),
        ("Read strictly, technical would fit. Read loosely, it is about billing.", None),
    ],
)
def test_a_label_may_open_its_sentence(reply: str, label: str | None) -> None:
    assert read("choice", reply, labels=QUEUES).label == label


def test_a_letter_may_be_right_for_a_reason() -> None:
    assert choose("Option (b) is correct because malls have shops.").label == "mall"
    reply = "Option (b) is correct because Ann says so, but (a) is the right one."
    assert choose(reply).label != "mall"
    reply = "Option (b) is best for shopping. Option (a) is best for walking."
    assert choose(reply).label is None


def test_the_end_of_a_longer_choice_is_not_named() -> None:
    wards = ("外科", "整形外科")
    reply = "けがですので、整形外科の受診をご案内するのが適切です。"
    assert read("choice", reply, labels=wards).label in ("整形外科", None)


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("We may choose among technical, billing, cancellation. First, the app", None),
        ("Answer: billing\n\nScratch that. The answer should be technical.", "technical"),
        ("Answer: billing\n\nScratch that. The answer might be technical.", None),
    ],
)
def test_a_list_states_nothing_and_what_follows_a_retraction_counts(
    reply: str, label: str | None
) -> None:
    assert read("choice", reply, labels=QUEUES).label == label


def test_korean_labels_in_a_list_are_no_answer() -> None:
    labels = ("함의", "중립", "모순")
    reply = "이 문제에서 쓸 수 있는 라벨은 함의, 중립, 모순입니다. 먼저 전제를 살펴보면 그가"
    assert read("choice", reply, labels=labels).label is None
    assert read("choice", "이 문장의 라벨은 모순입니다.", labels=labels).label == "모순"


def test_a_list_of_lettered_choices_that_breaks_off_states_nothing() -> None:
    options = ("I know that she sings.", "He says he sings.", "It sings.")
    reply = 'One by one.\n\n(a) "I know that she sings." – It has no comma.\n\n(b) "He sa'
    assert read("choice", reply, options).label is None


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("No, that's spam.", "spam"),
        ("No: it is spam.", "spam"),
        ("It is not spam.", "not spam"),
    ],
)
def test_a_no_that_answers_denies_no_label(reply: str, label: str) -> None:
    assert read("choice", reply, labels=("spam", "not spam")).label == label


@pytest.mark.parametrize(
    "reply",
    [
        "I can't tell from the premise whether he is married. Neutral.",
        "The premise leaves it open; it depends on the weather. So neutral.",
        "前提からは判断できません。よってneutralです。",
    ],
)
def test_what_cannot_be_told_of_a_row_is_a_reason_for_neutral(reply: str) -> None:
    labels = ("entailment", "neutral", "contradiction")
    assert read("choice", reply, labels=labels).label == "neutral"


def test_a_reply_that_breaks_off_at_an_article_names_no_letter() -> None:
    options = ("crise hídrica", "reforma agrária", "desmatamento")
    reply = "O texto trata de tudo. Assim sendo, a alternativa que melhor resume o texto é a"
    assert read("choice", reply, options).label is None


def test_a_text_that_breaks_off_is_none() -> None:
    assert read("text", "这首诗写的是思乡之情,语言清新朴素.它的作者是").label is None
