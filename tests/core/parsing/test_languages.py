"""Answers that are stated, denied, attributed or taken back in several languages."""

import pytest

from reading import choose


@pytest.mark.parametrize(
    "text",
    [
        "The answer is (b) mall. Hmm, no. It is (a) park.",
        "Answer: B\nWait, actually it is A.",
        "I think the answer is (b)... wait, malls have roofs, so it's (a).",
        "答案是（b）。不对，那里没有树，所以选（a）。",
        "Die Antwort ist (b). Nein, Moment, dort ist kein Baum. Also doch (a).",
    ],
)
def test_what_follows_a_retraction_may_state_the_answer_without_a_cue(text):
    assert choose(text).label == "park"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Bäume stehen im Park. Also lautet die Antwort (a).", "park"),
        ("Antwort a) ist richtig, denn dort stehen Bäume.", "park"),
        ("Dort stehen Bäume. Somit ist (a) korrekt.", "park"),
        ("A alternativa correta é a letra A, pois há árvores.", "park"),
        ("正确答案是选项a。", "park"),
        ("나무가 있습니다. 따라서 (a)를 선택합니다.", "park"),
        ("木があります。よって、(a) が正解です。", "park"),
        ("木があります。答えは **(a)** となります。", "park"),
        ("(a)는 정답이 아닙니다. 나무가 없기 때문입니다.", None),
        ("(a)と答える人もいます。木があるからです。", None),
        ("有人认为选(a),因为那里有树。", None),
        ("所以不选（a）。", None),
        ("Según mi hermano, la respuesta es (a).", None),
        ("Há quem diga que é (a).", None),
        ("So the answer is (a) park... or (b) mall, depending on the weather.", None),
        ('The student\'s response was "So the answer is (a)."', None),
        ("One of the annotators chose (a) and two chose (b).", None),
    ],
)
def test_choices_are_stated_denied_and_attributed_in_many_languages(text, label):
    assert choose(text).label == label
