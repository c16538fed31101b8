"""Answers by a verdict on each choice, and by their place among the choices."""

import pytest

from distilwhy.core.parsing.cues import listed
from reading import read

OPTIONS = ("glue", "tape", "rope")
NLI = ("entailment", "neutral", "contradiction")


@pytest.mark.parametrize(
    "reply",
    [
        "(a) glue ❌\n(b) tape ✅\n(c) rope ❌",
        "(a) ❌ wet\n(b) ✅ holds\n(c) ❌ frays",
        "✗ glue\n✓ tape\n✗ rope",
        "1. glue: No, too wet.\n2. tape: Yes, it holds.\n3. rope: No.",
        "| Option | Fits? |\n|---|---|\n| glue | No |\n| tape | Yes |\n| rope | No |",
        "|  | kg | Gut? |\n|---|---|---|\n| a) | 1 | nein |\n| b) | 2 | ja |\n| c) | 3 | nein |",
        "(a) Falsch: nass.\n(b) Richtig: hält.\n(c) Falsch: reißt.",
        "(a) 아니요\n(b) 예\n(c) 아니요",
    ],
)
def test_the_one_choice_with_a_good_verdict_is_the_answer(reply: str) -> None:
    assert read("choice", reply, OPTIONS).label == "tape"


def test_each_language_names_its_places_in_sixes() -> None:
    languages = ("en", "de", "fr", "es", "pt", "ko", "zh", "ja")
    assert all(len(listed("ordinals", language)) % 6 == 0 for language in languages)


def test_so_is_the_one_label() -> None:
    reply = "- Entailment: no\n- Neutral: yes\n- Contradiction: no"
    assert read("choice", reply, labels=NLI).label == "neutral"


@pytest.mark.parametrize(
    "reply",
    [
        "(a) glue ✅\n(b) tape ✅\n(c) rope ❌",
        "(a) glue ❌\n(b) tape ❌\n(c) rope ❌",
        "(a) glue ❌\n(b) tape ✅",
        "(a) glue: no\n(b) tape: yes, if it is dry\n(c) rope: no",
        "(a) glue: correct spelling\n(b) tape: no idea\n(c) rope: unclear",
        "(a) glue\n(b) tape\n(c) rope",
    ],
)
def test_verdicts_that_single_out_no_choice_state_none(reply: str) -> None:
    assert read("choice", reply, OPTIONS).label is None


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("The second one it is.", "tape"),
        ("It dries. So the answer is the last option.", "rope"),
        ("La réponse est la première, parce qu'elle colle.", "glue"),
        ("Respuesta: la segunda de las tres.", "tape"),
        ("Die dritte Option ist richtig.", "rope"),
        ("정답은 세 번째 보기입니다.", "rope"),
        ("二つ目の選択肢が正しいです。", "tape"),
        ("所以选第二个选项。", "tape"),
        ("The first option is wrong.", None),
        ("It is the first.", None),
        ("The answer is the fourth option.", None),
        ("The answer is not the second one.", None),
        ("The answer is the first or the second.", None),
        ("The first one dries fast.", None),
        ("Une première option serait de coller.", None),
    ],
)
def test_a_choice_may_be_named_by_its_place(reply: str, label: str | None) -> None:
    assert read("choice", reply, OPTIONS).label == label


@pytest.mark.parametrize(
    ("labels", "reply", "label"),
    [
        (("yes", "no"), "Yep! It swims well.", "yes"),
        (("예", "아니요"), "네, 가능합니다.", "예"),
        (("yes", "no"), "Yep and nope.", None),
        (("verdadero", "falso"), "La afirmación es falsa.", "falso"),
        (NLI, "前提には書かれていないので、neutral が適切です。", "neutral"),
        (("긍정", "부정"), "아쉬움이 커서 부정으로 분류됩니다.", "부정"),
        (("긍정", "중립"), "긍정이거나 중립입니다.", None),
        (("spam", "ham"), "Ham, by contrast, comes from people you know.", None),
        (("ham", "spam"), "### Queue\nspam\n\n### Priority\nLow", "spam"),
        (("Ja", "Nein"), "Falls er zustimmt: Ja. Falls er nicht zustimmt: Nein.", None),
        (("toxic", "not toxic"), '{"toxic": true}', "toxic"),
    ],
)
def test_a_label_may_be_said_in_other_words_or_places(
    labels: tuple[str, ...], reply: str, label: str | None
) -> None:
    assert read("choice", reply, labels=labels).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("tape – auch wenn viele zuerst an rope denken, weil es fester ist.", "tape"),
        ("Of the choices given, (b) is the one that fits best.", "tape"),
        ("Marco la (a). Espera, no pega. Cambio mi respuesta a la (b).", "tape"),
        ("The glue (a) is silly.", None),
        ("According to Ann, it is tape.", None),
    ],
)
def test_an_answer_may_open_or_close_a_sentence(reply: str, label: str | None) -> None:
    assert read("choice", reply, OPTIONS).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ('The plural is "mice".', "mice"),
        ("Au 🥇", "Au"),
        ('É "atriz".', "atriz"),
        ('The plural is not "mouses".', None),
        ('The text mentions "mice".', None),
        ('Maybe it is "mice".', None),
    ],
)
def test_a_text_may_be_quoted_in_a_sentence_that_says_what_it_is(
    reply: str, label: str | None
) -> None:
    assert read("text", reply).label == label
