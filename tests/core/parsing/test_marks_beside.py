"""What may stand beside an answer: marks, fields, brackets, arrows, heads; and near misses."""

import pytest

from reading import read

RANKS = ("hold", "advance", "reject")
VERDICTS = ("SUPPORTS", "REFUTES", "NOT ENOUGH INFO")
GRADES = ("0", "1", "2", "3")


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("decision: hold   # licence expired, look again in June", "hold"),
        ("decision=reject;confidence=0.98;reason=no licence", "reject"),
        ("decision: hold # or reject", None),
        ("The output should look like {decision: hold, reason: ...}", None),
        ("The link is broken.\n\nAns. hold", "hold"),
        ("hold (it isn't stated when the licence ends)", "hold"),
        ("reject (papers weren't handed in)", "reject"),
        ("hold (I do not think so)", None),
        ("hold (does not fit the case)", None),
        ("hold (there is no reason to wait) -> advance", None),
        ("hold (could be reject as well, not sure)", None),
        ("hold (not reject)", "hold"),
    ],
)
def test_a_comment_a_field_or_a_reason_beside_a_label(reply: str, label: str | None) -> None:
    assert read("choice", reply, labels=RANKS).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("[INST] hold or reject? [/INST] The licence ended, so this is a reject.", "reject"),
        ("The licence has ended, so there is nothing to weigh up: reject.", "reject"),
        ("The licence has ended. The label that does not fit is: advance.", None),
        ("The file does not justify the harshest label we have: reject.", None),
        ("It deserves nothing short of a reject.", "reject"),
        ("Some say hold, but it's actually a reject.", "reject"),
    ],
)
def test_a_sentence_that_closes_with_a_label(reply: str, label: str | None) -> None:
    assert read("choice", reply, labels=RANKS).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("As a clerk it's an advance, as a nurse a hold. Which post is it for?", None),
        ("Let me look at each of these in turn. A hold is for open cases. The", None),
    ],
)
def test_a_reply_that_asks_back_or_breaks_off_states_no_label(
    reply: str, label: str | None
) -> None:
    assert read("choice", reply, labels=RANKS).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("The army is gone.\n\nfinal_label: SUPPORTED", "SUPPORTS"),
        ("Verdict: refuted", "REFUTES"),
        ("Only half of the claim is supported.", None),
        ("To be refuted, the text would have to name a date.", None),
        ("The claim can neither be supported nor refuted.", None),
    ],
)
def test_a_participle_states_the_label_of_its_verb(reply: str, label: str | None) -> None:
    assert read("choice", reply, labels=VERDICTS).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("It names cats, but does not say whether tuna is safe → 1", "1"),
        ("If it were about dogs → 0", None),
    ],
)
def test_a_grade_after_an_arrow_is_read_despite_a_negation_before_it(
    reply: str, label: str | None
) -> None:
    assert read("choice", reply, labels=GRADES).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("2 painters need 12 hours, so 3 need:\n\n>>> 4 <<<", "4"),
        ("28 - 12 = 16\n16/28 = 0.5714\n≈ 57 %", "57"),
        ("Ann → 12, Bob → 15", None),
        ("If the host counts → 13", None),
        ("24 → 12", None),
        ("24 ==> 12", None),
        ("(100 - 80) / 80 = 0.25 => 25%", "25"),
        ("fixed 3.50\nby distance 12.60\n=> fare=16.10 EUR", "16.1"),
        ("We multiply 8 by 5. The result is 40. From this we take 5, which leaves 35.", "35"),
        ("Not enough is known. Number of boxes: 12.", None),
        ("First, find the number of boxes: 12.", None),
        ("The two boys have 3 resp. 4 pens.", None),
        ("First I had 52, but forgot the way back. Corrected: 104 km.", "104"),
        ("We have 3 bags. People would say: 36.", None),
        ("We have 3 bags of 5: 36.", None),
        ("We first count the pears: 9 * 4 = 36 pears. Then", None),
        ("Answer 1: 150\nAnswer 2: 135", None),
        ("1000 m, i.e. 1 km.", None),
        ("35 * 40 = 1,400. The hall seats 1,400 people.", "1400"),
        ("8 * 3 = 24. In all, 24 tickets were sold.", "24"),
        ("8 * 3 = 24. Were it so, 24 tickets would be left.", None),
        ("3.5 * 6 = 21\n\nSo the car needs 21 litres, assuming that nothing changes.", "21"),
    ],
)
def test_a_number_and_what_stands_beside_it(reply: str, label: str | None) -> None:
    assert read("number", reply).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Here you go:\n\n```\n=4*19.99+7.5\n```\n\nPaste it into a cell.", "4 * 19.99 + 7.5"),
        ("The right one needs brackets: (17 + 9) / 2.", "( 17 + 9 ) / 2"),
        ("9 - 2.5\nProblem: A jug holds 4 l.\nEquation: 4 - 1.2", "9 - 2.5"),
        ("Net: 24*0.4. Gross: 24*0.4+11. Which of them would you like?", None),
    ],
)
def test_an_expression_and_what_stands_beside_it(reply: str, label: str | None) -> None:
    assert read("equation", reply).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("The page deals with cakes. It is irrelevant to the query.", "irrelevant"),
        ("The page is relevant to start with, then turns to cakes.", None),
        ("She finds the page relevant to cakes and irrelevant to tyres.", None),
    ],
)
def test_a_label_is_read_before_what_it_is_said_of(reply: str, label: str | None) -> None:
    assert read("choice", reply, labels=("relevant", "irrelevant")).label == label


def test_an_answer_among_many_headed_lines() -> None:
    lines = "\n".join(f"{name}: 3" for name in "abcdefghij")
    assert read("number", f"Prices:\n{lines}\n\nAnswer: 30\n\nCheck:\n{lines}").label == "30"


def test_each_choice_is_called_right_or_wrong() -> None:
    judged = ["(a) hold is incorrect.", "(b) advance is correct.", "(c) reject is incorrect."]
    assert read("choice", "\n".join(judged), RANKS).label == "advance"


@pytest.mark.parametrize(
    ("kind", "reply", "label"),
    [
        ("choice", "A hold is for open cases.\n(b) The", None),
        ("choice", "The answer is (a).\n\n...just kidding! It is (b).", "advance"),
        ("number", "Resposta final: setenta e dois (72) ovos, pois 6 × 4 × 3 = 72.", "72"),
        ("number", "8×6＝48個です。次に、50個から48個を", None),
    ],
)
def test_a_reply_that_corrects_itself_explains_or_breaks_off(
    kind: str, reply: str, label: str | None
) -> None:
    assert read(kind, reply, RANKS if kind == "choice" else ()).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("答案是蕴含,而不是中立:每天骑车的人自然会骑。", "蕴含"),
        ("答案是蕴含,而这是不对的。", None),
        ("蕴含,然而不对。", None),
    ],
)
def test_a_contrast_in_chinese_denies_only_the_other_label(reply: str, label: str | None) -> None:
    assert read("choice", reply, labels=("蕴含", "中立", "矛盾")).label == label


def test_a_date_is_one_text() -> None:
    assert read("text", "Die Antwort ist 5. Mai 2024.").label == "5. Mai 2024"


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Output:\npenicillin\n###", "penicillin"),
        ("Category: medicine\nAnswer: penicillin", "penicillin"),
    ],
)
def test_a_text_below_its_head(reply: str, label: str | None) -> None:
    assert read("text", reply).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Result: not found", None),
        ("Answer: Symphony # 5", "Symphony # 5"),
        ("Answer: color: red; margin: 0", "color: red; margin: 0"),
        ("答え：富士山（標高3,776メートル）", "富士山"),
    ],
)
def test_where_a_text_ends(reply: str, label: str | None) -> None:
    assert read("text", reply).label == label
