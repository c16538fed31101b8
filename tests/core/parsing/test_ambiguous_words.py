"""Words that state or deny an answer in one language, and mean something else elsewhere."""

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task
from reading import choose, read


def label(kind: str, row: str, reply: str) -> str | None:
    task = Task("", RowFormat("{{ text }}"), Answer(kind))
    return parse_completion(task, Example("1", row), Completion(reply)).label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("The answer to what he should do is (a).", "park"),
        ("The answer to where most people buy shoes is (b).", "mall"),
        ("The answer that looks tempting is (b).", None),
        ("As said, the answer is (b).", "mall"),
        ("Ida says that the answer is (b).", None),
        ("Mall, the most likely answer.", "mall"),
        ("(b). Un instant suffit.", "mall"),
        ("(b), ya que (a) es un error.", "mall"),
        ("Neste caso, a resposta é (b).", "mall"),
        ("En este caso, la respuesta es (b).", "mall"),
    ],
)
def test_a_choice_beside_an_ambiguous_word(reply: str, label: str | None) -> None:
    assert choose(reply).label == label


@pytest.mark.parametrize(
    ("labels", "reply", "label"),
    [
        (("music", "film"), "Music by Mozart plays in the film, so it is film.", "film"),
        (("supported", "refuted"), "The claim is refuted by the evidence.", "refuted"),
        (("sports", "business"), "Sports car makers earned much, so it is business.", "business"),
        (("sports", "business"), "The strike is business news.", "business"),
        (("law", "sports"), "Law. Pardon was granted.", "law"),
        (("delivery", "billing"), "Delivery. UPS lost the parcel.", "delivery"),
        (("billing", "network"), "The category that I ruled out is billing.", None),
        (("no billing", "no network", "billing", "network"), "No.", None),
        (("true", "false"), "Answer: False, that's incorrect.", "false"),
        (("spam", "ham"), "Spam, denn der Absender ist falsch.", "spam"),
        (("spam", "ham"), "Réponse : spam, car l'adresse est fausse.", "spam"),
        (("positivo", "negativo"), "positivo. Aliás, o autor elogia tudo.", "positivo"),
        (("urgente", "normal"), "Bien, es urgente.", "urgente"),
        (("ja", "nein"), "Das ist ja das Problem: Er weiß es ja selbst nicht.", None),
        (("はい", "いいえ"), "はい、では順番に考えていきましょう。", None),
        (("spam", "ham"), "Spam. By the way, ham is a kind of meat.", "spam"),
        (("pull over", "drive"), "So he would pull over.", "pull over"),
    ],
)
def test_a_label_beside_an_ambiguous_word(
    labels: tuple[str, ...], reply: str, label: str | None
) -> None:
    assert read("choice", reply, labels=labels).label == label


@pytest.mark.parametrize(
    ("row", "reply", "number"),
    [
        ("Tom has 5 pens, Ann 7. How many in all?", "Tom: 5\nAnn: 7\nThe answer is 12.", "12"),
        ("Two numbers add up to 12.", "So one is 7, the other 5. So their product is 35.", "35"),
        ("Ann sells 12 pens a day. How many in 5 days?", "She also sells 24 of them.", None),
        ("28 cars come in 2 lanes. How many cross in one?", "So 14 cars cross.", "14"),
    ],
)
def test_a_number_beside_an_ambiguous_word(row: str, reply: str, number: str | None) -> None:
    assert label("number", row, reply) == number


@pytest.mark.parametrize(
    ("row", "reply", "text"),
    [
        ("Where was Mozart born?", "Mozart was born in 1756. His town was small.", None),
        ("When was Mozart born?", "Mozart was born in 1756.", "1756"),
        ("Who founded Acme?", "Acme was founded in Boston.", None),
        ("房东是王伟。承租人是谁？", "房东是王伟。承租人没有写明。", None),
        ("Read the note. Who wrote it?", "It isn't signed.\nNote: hard to judge", None),
        ("가능의 반대말은?", "정답: 불가능", "불가능"),
        ("누가 썼나요?", "비밀입니다.", None),
    ],
)
def test_a_text_answers_what_is_asked(row: str, reply: str, text: str | None) -> None:
    assert label("text", row, reply) == text


def test_a_head_with_a_backslash_is_a_head() -> None:
    task = Task("", RowFormat("a\\d:\n{{ text }}"), Answer("choice", ("yes", "no")))
    reply = Completion("It fits. The answer is yes. a\\d: another. The answer is no.")
    assert parse_completion(task, Example("1", "a\\d:\nx"), reply).label == "yes"
