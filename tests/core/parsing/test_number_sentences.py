"""Numbers and expressions that a sentence states without a cue."""

import pytest

from distilwhy.core.parsing.answer import Answer, Kind
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task

PENS = "Ann has 12 pens. Ben buys 4 boxes of 5 pens and gives 3 away. How many pens does Ben have?"
SALE = "A shirt costs $40 and is reduced by 15 %. What does it cost now?"
BILL = "Three friends share a bill of $10.50. How much does each of them pay?"
MEAN = "What is the average of 80, 90 and 100?"
FLOUR = "250 g of flour are for 4 people. How many grams are needed for 10 people?"
TRAIN = "Ein Zug fährt 80 km in einer Stunde. Wie weit kommt er in 3 Stunden?"
CARDS = "Léa a 45 billes et en perd 18. Combien de billes lui reste-t-il ?"
CASES = "Luis tiene 5 cajas con 14 bolígrafos y regala 20. ¿Cuántos bolígrafos le quedan?"
PAGES = "Ana leu 17 páginas por dia durante 6 dias. Quantas páginas ela leu?"
MONEY = "小明有63元，买书花了28元，还剩多少元？"
SWEETS = "사탕 45개를 9명에게 똑같이 나누어 주었습니다. 한 사람은 사탕을 몇 개 받았나요?"
FRUIT = "1箱に24個のみかんが3箱あります。全部で何個ですか。"
EGGS = "A box has 4 rows of 6 eggs and 5 are broken. Write the expression for the good ones."


def label(kind: Kind, row: str, reply: str) -> str | None:
    task = Task("", RowFormat("{{ text }}"), Answer(kind))
    return parse_completion(task, Example("1", row), Completion(reply)).label


@pytest.mark.parametrize(
    ("row", "reply", "number"),
    [
        (PENS, "Ben has seventeen pens.", "17"),
        (PENS, "17, since 4 × 5 - 3 = 17", "17"),
        (PENS, "17 pens: 20 bought, 3 given away.", "17"),
        ("Ben lost 7 and has 15. How many had he?", "Ben had 22 (22 - 7 = 15).", "22"),
        (PENS, "It's 17 (not 20).", "17"),
        (PENS, "So he's got 17.\nConfidence: 95%", "17"),
        (SALE, "It costs $34 now.", "34"),
        (SALE, "It costs $34, since 15 % of 40 is 6.", "34"),
        (SALE, "40 × 0.85 = 34\n\n### Final answer\nThe shirt costs **$34** at the shop.", "34"),
        (SALE, "x = 34\n\nCheck: 34 / 0.85 = 40 ✓\n\nThe new price is **34**.", "34"),
        (SALE, "Now it costs $34, not $40.", "34"),
        (BILL, "Each friend pays $10.50 / 3 = **$3.50**.", "3.5"),
        (MEAN, "(80 + 90 + 100) / 3 = 90. Hence the average is 90.", "90"),
        (TRAIN, "In 3 Stunden sind es 3 · 80 = 240 km.", "240"),
        (TRAIN, "Er kommt zweihundertvierzig Kilometer weit.", "240"),
        (CARDS, "45 - 18 = 27, il lui reste donc 27 billes.", "27"),
        (CARDS, "Il lui reste vingt-sept billes.", "27"),
        (CASES, "Le quedan cincuenta.", "50"),
        (PAGES, "Ela leu cento e duas páginas.", "102"),
        (MONEY, "还剩三十五元。", "35"),
        (SWEETS, "45 ÷ 9 = 5이므로 한 사람은 사탕을 5개 받았습니다.", "5"),
        (SWEETS, "한 사람은 다섯 개를 받았어요.", "5"),
        (FRUIT, "24×3=72で、72個です。", "72"),
        (FRUIT, "全部で七十二個です。", "72"),
        (FRUIT, "24個が3箱分なので、七十二個です。", "72"),
        (FRUIT, "24×3で62個……いえ、計算を間違えました。正しくは72個です。", "72"),
        (MONEY, "还剩25元。28＋25不等于63，算错了。应该还剩35元。", "35"),
        (SWEETS, "그러니 한 사람 몫은 다섯 개입니다.", "5"),
        (TRAIN, "In drei Stunden kommt er demnach 240 km weit.", "240"),
        (CASES, "Le quedan 50. ¡Suerte con los deberes!", "50"),
    ],
)
def test_a_sentence_in_the_words_of_the_question_states_its_number(
    row: str, reply: str, number: str
) -> None:
    assert label("number", row, reply) == number


@pytest.mark.parametrize(
    ("row", "reply"),
    [
        (PENS, "Ben buys 20 pens."),
        (PENS, "Pens of Ben: 4 × 5 ="),
        (PENS, "The boxes contain 4 × 5 = 20 pens."),
        (PENS, "First, Ben has 4 × 5 = 20 pens."),
        (PENS, "Ben has 20 pens before giving any away."),
        (PENS, "My classmate says 17, because 20 - 3 = 17."),
        (PENS, "Two steps: 4 times 5, then minus 3."),
        (PENS, "Ben has 17 to 20 pens."),
        (PENS, "Ben has 17 pens (or 20 if he keeps them)."),
        (PENS, "Ben has 5 × 4 − 3 pens."),
        (PENS, "Ben has more than sixteen pens."),
        (SALE, "15% of 40 is 6."),
        (SALE, "It costs $6 less."),
        (SALE, "It is reduced by 0.15 × 40 = $6."),
        (SALE, "Answer: the old price of **$40** falls by 15 %."),
        (SALE, "The reduction is $6.\n\nThat is 15 % of 40."),
        (FLOUR, "Each person needs 250 / 4 = 62.5 g."),
        (TRAIN, "In 2 Stunden kommt er 160 km weit."),
        (CARDS, "Il lui reste environ 30 billes ou moins."),
        (CASES, "Tal vez le quedan 50."),
        (CASES, "Tiene 70 bolígrafos al principio."),
        (PAGES, "Em 5 dias ela leu 85 páginas."),
        (PAGES, "Ela leu 102 páginas por hora."),
        (PENS, "Ben has 20 pens in 12 boxes."),
        (TRAIN, "Nach zwei Stunden Fahrt, ohne Pause, kommt er 160 km weit."),
        (MONEY, "他花了28元买书。"),
        (MONEY, "买了56元的书。"),
        (SWEETS, "동생의 사탕은 17개이다."),
        (MONEY, "不到40元。"),
        (SWEETS, "5개가 아닙니다."),
        (FRUIT, "72個以上です。"),
        ("一本书有320页，小明每天读40页，几天读完?", "小明每天多读10页。"),
        (FRUIT, "24 × 3 = 24 ×"),
        ("Solve y^2 - 9y + 20 = 0 for y.", "Factoring, (y − 4)(y − 5) = 0, so y = 4 or y = 5."),
        (PENS, "Ben has 18 pens.\n\nHe buys 20 and gives 3 away, so he has 17."),
    ],
)
def test_a_number_that_is_a_step_or_a_bound_or_doubted_is_no_answer(row: str, reply: str) -> None:
    assert label("number", row, reply) is None


@pytest.mark.parametrize(
    ("reply", "expression"),
    [
        ("We take some away, so: ( 4 × 6 ) - 5", "4 * 6 - 5"),
        ("The good eggs are $4 \\times 6 - 5 = 19$.", "4 * 6 - 5"),
        ("4 × 6 − 5 (which gives 19)", "4 * 6 - 5"),
        ("Der gesuchte Term ist 4 · 6 − 5. Das sind 19.", "4 * 6 - 5"),
        ("식만 쓰면 4 × 6 - 5 입니다.", "4 * 6 - 5"),
        ("算式是4×6-5。", "4 * 6 - 5"),
        ("You would do 4 x 6 - 5.", "4 * 6 - 5"),
        ("4 × 6 eggs are in the box.", None),
        ("First multiply: 4 × 6 = 24", None),
        ("4 × 6 = 24, 24 - 5 = 19", None),
        ("Many people would write 4 × 6 + 5.", None),
        ("It is not 4 × 6 + 5.", None),
        ("Perhaps one writes 4 × 6 - 5.", None),
        ("We need 4 × 6 - 5 or 4 × (6 - 5).", None),
        ("We need 4 × 6 - 5 -", None),
    ],
)
def test_the_one_expression_with_all_numbers_of_the_row_is_the_answer(
    reply: str, expression: str | None
) -> None:
    assert label("equation", EGGS, reply) == expression


def test_a_part_headed_by_what_is_asked_is_no_other_row() -> None:
    row = "A coat of $80 is reduced by 15 %. What is the new price?"
    reply = "Reduction: 80 × 0.15 = 12\n\nNew price: **$68**"
    assert label("number", row, reply) in ("68", None)
    reply = "Reduction: 80 × 0.15 = 12\n\nThe answer is 68.\n\nOld house: $9. The answer is 4."
    assert label("number", row, reply) == "68"


def test_a_question_about_other_numbers_opens_another_row() -> None:
    row = "Rita read 3 pages on 9 days and 5 more. How many pages?"
    reply = "3 × 9 = 27 pages and 5 more. Thus, she read 32 pages."
    other = "\n\nNuno read 4 pages on 6 days. How many did he read?\n4 × 6 = 24. He read 24 pages."
    assert label("number", row, reply + other) == "32"
    echo = "Question: Lou had 30 kites and sold 10. How many has he?\nEquation: 30 - 10"
    assert label("equation", "Ken had 9 kites and lost some. How many has he?", echo) is None
