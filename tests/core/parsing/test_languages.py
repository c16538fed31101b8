"""Answers that are stated, denied, attributed or taken back in several languages."""

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task
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
        ("Park, some would say.", None),
        ("Park, laut meinem Bruder.", None),
        ("Park, disent certains. Je ne sais pas.", None),
        ("Park, as the many trees that it names show.", "park"),
    ],
)
def test_choices_are_stated_denied_and_attributed_in_many_languages(text, label):
    assert choose(text).label == label


PLAN = ("urgente", "normal")


@pytest.mark.parametrize(
    ("labels", "reply", "label"),
    [
        (("남산", "북악산"), "남산이요. 북악산은 더 높습니다.", "남산"),
        (("불만", "칭찬"), "하나를 정해야 한다면 '불만'을 고르겠습니다.", "불만"),
        (("불만", "칭찬"), "불만이요. 아, 잘못 말했습니다.", None),
        (("急ぎ", "普通"), "対応は「普通」で問題ありません。", "普通"),
        (("急ぎ", "普通"), "急ぎ、という人もいます。", None),
        (("黄山", "泰山"), "别的都在南方，所以只能选泰山了。", "泰山"),
        (("黄山", "泰山"), "泰山無誤，其他的都比較矮。", "泰山"),
        (("黄山", "泰山"), "論壇上有網友說是泰山。", None),
        (("黄山", "泰山"), "选黄山。抱歉，看错了，应该选泰山。", "泰山"),
        (("Wind", "Regen"), "Darum lege ich mich auf Regen fest.", "Regen"),
        (("positive", "negative"), "Das Urteil fällt klar negativ aus.", "negative"),
        (("positive", "negative"), "Das Urteil fällt nicht negativ aus.", None),
        (("calme", "fâché"), "Réponse : calme.\n\nJe me corrige : l'auteur est fâché.", "fâché"),
        (("calme", "fâché"), "Le ton est sec ; je range ce mot dans « fâché ».", "fâché"),
        (PLAN, "Hay humo: lo subo a «urgente».", "urgente"),
        (PLAN, "No lo subo a «urgente».", None),
        (PLAN, "Prioridad normal. Si empeora, se revisará.", "normal"),
        (PLAN, "Normal. Ups, me confundí: es urgente.", "urgente"),
        (PLAN, "Encaminhar para **normal**.", "normal"),
        (PLAN, "Hay humo en la casa, y eso cambia la prioridad: urgente.", "urgente"),
        (PLAN, "Error habitual: urgente.", None),
        (PLAN, "Muchos dicen: urgente.", None),
        (PLAN, "Descarto una cosa: normal.", None),
        (PLAN, "¡Claro que sí! Es normal, pues no hay heridos. ¿Quieres saber algo más?", "normal"),
        (PLAN, "Prioridad → normal. (Convendría llamar antes a la clienta.)", "normal"),
        (("le lac", "la mer"), "Pas le lac, il est trop petit : c'est la mer.", "la mer"),
        (("le lac", "la mer"), "Ne croyez pas la rumeur : c'est la mer.", None),
        (("배송", "환불"), "환불로 분류하는 것이 맞습니다. 도움이 되셨길 바랍니다!", "환불"),
        (("spam", "no spam"), "No es spam.", "no spam"),
        (("spam", "no spam"), "No es solo spam.", None),
        (("Spam", "kein Spam"), "Das ist kein Spam.", "kein Spam"),
        (("urgent", "non urgent"), "Ce n'est pas urgent.", "non urgent"),
    ],
)
def test_the_usual_words_of_each_language_state_and_take_back_a_label(labels, reply, label):
    task = Task("", RowFormat("{{ text }}"), Answer("choice", labels))
    assert parse_completion(task, Example("1", "…"), Completion(reply)).label == label
