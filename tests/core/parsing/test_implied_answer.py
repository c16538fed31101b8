"""Answers that a reply implies, without stating one: each rule, and what comes near it."""

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task
from reading import read

TOOLS = ("thermometer", "barometer", "compass", "ruler")
MOODS = ("joy", "anger", "fear")


def label(kind: str, row: str, reply: str, options: tuple[str, ...] = ()) -> str | None:
    task = Task("", RowFormat("{{ q }}"), Answer(kind))
    return parse_completion(task, Example("7", row, options), Completion(reply)).label


@pytest.mark.parametrize(
    ("reply", "options", "choice"),
    [
        ("You'd want a barometer for that.", TOOLS, "barometer"),
        (
            "Pressure falls before a storm. That is what one sees on a barometer.",
            TOOLS,
            "barometer",
        ),
        ("Dafür holt man sich den Kompass.", ("Kompass", "Lineal", "Waage"), "Kompass"),
        ("Pour cela, on se sert d'une balance.", ("balance", "règle", "boussole"), "balance"),
        ("Los marinos se guiaban con la brújula.", ("brújula", "regla", "balanza"), "brújula"),
        ("A tripulação guiava-se por uma bússola.", ("bússola", "régua", "balança"), "bússola"),
        ("방향을 찾을 때는 나침반을 씁니다.", ("나침반", "저울", "온도계"), "나침반"),
        ("方角を知りたいときは方位磁針を使う。", ("方位磁針", "温度計", "定規"), "方位磁針"),
        ("出海辨别方向靠的是指南针。", ("指南针", "温度计", "天平"), "指南针"),
    ],
)
def test_the_only_choice_that_a_reply_names_is_its_answer(
    reply: str, options: tuple[str, ...], choice: str
) -> None:
    assert read("choice", reply, options).label == choice


@pytest.mark.parametrize(
    "reply",
    [
        "Barometer readings are given in hectopascals.",  # a fact about it
        "You'd never want a barometer for that.",
        "None of these helps at sea, where people used a barometer.",
        "Some would want a barometer for that.",
        "If there were wind, you'd want a barometer.",
        "You might want a barometer for that.",
        "Is there a barometer at hand?",
        "According to the manual, one takes a barometer.",
        "At sea you find a barometer on every bridge.",
        "For pressure they all used a barometer, and then",
        "You'd want a barometer or a compass for that.",
        "Let us begin with the barometer.",
        "I used to own a barometer.",
        "A barometer is no use here. I would buy a barometer all the same.",
    ],
)
def test_the_only_choice_is_none_where_it_is_denied_doubted_or_mentioned(reply: str) -> None:
    assert read("choice", reply, TOOLS).label is None


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("She slams the door, and what she feels is plainly anger.", "anger"),
        ("The word 'finally' and the smile speak of joy.", "joy"),
        ("The word 'finally' speaks of joy to me.", None),
        ("It gives me joy to help, but I need the text.", None),
        ("She slams the door. Joy she has not, anger she has.", None),
        ("At most one could speak of fear.", None),
    ],
)
def test_the_only_label_of_a_reply_ends_a_clause(reply: str, choice: str | None) -> None:
    assert read("choice", reply, labels=MOODS).label == choice


@pytest.mark.parametrize(
    ("reply", "options", "choice"),
    [
        (
            "Thermometers show heat and rulers length, and a compass shows the way, so all of them "
            "drop out. By elimination you're left with the barometer.",
            ("thermometers", "barometer", "compass", "rulers"),
            "barometer",
        ),
        (
            "A ruler or a compass won't tell the weather. The air presses on the barometer.",
            TOOLS,
            "barometer",
        ),
        (
            "Waage und Lineal helfen auf See nicht. Den Weg weist der Kompass.",
            ("Kompass", "Lineal", "Waage"),
            "Kompass",
        ),
        (
            "La règle et la balance ne servent à rien en mer. Reste la boussole.",
            ("balance", "règle", "boussole"),
            "boussole",
        ),
        (
            "Ni la regla ni la balanza señalan el norte. Queda la brújula.",
            ("brújula", "regla", "balanza"),
            "brújula",
        ),
        (
            "A régua e a balança não apontam para o norte. Sobra a bússola.",
            ("bússola", "régua", "balança"),
            "bússola",
        ),
        (
            "저울과 온도계는 방향을 알려 주지 않는다. 그러면 남는 것은 나침반이다.",
            ("나침반", "저울", "온도계"),
            "나침반",
        ),
        (
            "温度计和天平都不能指示方向。能指示方向的只剩下指南针。",
            ("指南针", "温度计", "天平"),
            "指南针",
        ),
        # Each has a sentence of its own.
        ("A ruler has marks. A compass has a needle. A barometer has a dial.", TOOLS, None),
        # None is discarded.
        ("A ruler and a compass are cheap. Shops sell a barometer too.", TOOLS, None),
        # It came up before.
        ("A barometer is fine. A ruler or a compass is not. Buy the barometer.", TOOLS, None),
        ("A ruler or a compass won't do. It might be the barometer.", TOOLS, None),
        ("A ruler or a compass won't do. Nor will the barometer.", TOOLS, None),
        ("A ruler won't do. Then there are the barometer and the compass.", TOOLS, None),
    ],
)
def test_the_choice_that_a_reply_comes_to_after_the_others_is_its_answer(
    reply: str, options: tuple[str, ...], choice: str | None
) -> None:
    assert read("choice", reply, options).label == choice


@pytest.mark.parametrize(
    ("row", "reply", "number"),
    [
        ("How many legs have 6 spiders?", "Forty-eight. A spider has eight legs.", "48"),
        ("Wie viele Beine haben 6 Spinnen?", "Achtundvierzig. Jede hat acht Beine.", "48"),
        ("¿Cuántas patas tienen 6 arañas?", "Cuarenta y ocho. Cada una tiene ocho.", "48"),
        ("How many legs have 6 spiders?", "Forty. So they have 48 legs.", None),
        ("How many legs have 6 spiders?", "Spiders: 6. A spider has legs.", None),
    ],
)
def test_a_number_alone_in_the_first_sentence_is_the_answer(
    row: str, reply: str, number: str | None
) -> None:
    assert label("number", row, reply) == number


@pytest.mark.parametrize(
    ("row", "reply", "number"),
    [
        (
            "A job took 6 days. A new one takes 2 more. How long is that?",
            "The crew works 8 days.",
            "8",
        ),
        (
            "Tim kauft 7 Hefte zu je 3 Euro. Was kostet das?",
            "An der Kasse gibt er dafür 21 Euro her.",
            "21",
        ),
        (
            "Léa a 40 billes et en donne 15. Combien lui en reste-t-il ?",
            "Son sac contient 25 billes.",
            "25",
        ),
        (
            "Un tren recorre 240 km en 3 horas. ¿Cuál es su velocidad?",
            "El tren circula a 80 km/h",
            "80",
        ),
        (
            "Bia tem 9 caixas com 6 lápis e perde 4. Com quantos fica?",
            "São 54 lápis nas caixas. Tirando os perdidos, chega-se a 50.",
            "50",
        ),
        ("사탕 5봉지에 8개씩 있다. 모두 몇 개인가?", "봉지를 다 열면 사탕이 40개 나온다.", "40"),
        (
            "1本120円のペンを4本買いました。いくらですか。",
            "お店に支払うのは480円になるはず。",
            "480",
        ),
        ("每排12人,共5排。一共多少人?", "全班站满就是60人。", "60"),
        ("A job took 6 days. A new one takes 2 more.", "The crew works 9 days.", None),
        ("A job took 6 days. A new one takes 2 more.", "Some say the crew works 8 days.", None),
        ("A job took 6 days. A new one takes 2 more.", "It is not 8 days.", None),
        ("A job took 6 days. A new one takes 2 more.", "It takes at least 8 days.", None),
        ("A job took 6 days. A new one takes 2 more.", "It takes 8 or 9 days.", None),
        ("How many litres do 3 cans of 5 litres hold?", "They hold 15 litres per minute.", None),
        ("1箱に9個入りが4箱ある。全部で何個か。", "36個以上です。", None),
        ("Ana has 6 pens and Ben 2 more. How many has Ben?", "Ana has 8 pens.", None),
    ],
)
def test_the_last_number_is_the_answer_if_those_of_the_row_make_it(
    row: str, reply: str, number: str | None
) -> None:
    assert label("number", row, reply) == number


@pytest.mark.parametrize(
    ("row", "reply", "number"),
    [
        (
            "How many legs have 7 dogs and 3 hens?",
            "7 dogs have 28 legs and 3 hens 6. We count 34 legs.",
            "34",
        ),
        ("What percent of 50 is 8?", "8 of 50 is 0.16. Call it 16 %.", "16"),
        # It does not go over all of the row.
        ("How many legs have 7 dogs and 3 hens?", "Dogs have 4 legs. We count 28 legs.", None),
    ],
)
def test_or_if_two_of_the_reply_make_it(row: str, reply: str, number: str | None) -> None:
    assert label("number", row, reply) == number


def test_a_reply_that_a_limit_cut_implies_none() -> None:
    reply = "You'd want a barometer for that."
    assert read("choice", reply, TOOLS, finish="length").label is None


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("Correct option: 2) barometer", "barometer"),
        ("2) barometer\n\nThe others do not measure pressure.", "barometer"),
        ("Answer: 2", "barometer"),
        ("The air has a weight. Option 2 measures it.", "barometer"),
        ("공기의 무게를 재는 도구입니다. 정답: ②번", "barometer"),
        ("Answer: 7", None),
        ("2) compass", None),
        ("Let us see.\n1. thermometer: it shows heat, and\n2. barometer: it shows", None),
        ("Step 2 is hard.", None),
    ],
)
def test_a_choice_may_be_named_by_its_number(reply: str, choice: str | None) -> None:
    assert read("choice", reply, TOOLS).label == choice


def test_a_number_is_no_place_among_numbers() -> None:
    assert read("choice", "Answer: 2", ("two", "three", "four")).label is None
    assert read("choice", "Answer: 2", ("12", "2", "4")).label == "2"


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ('{"firm": "Brimco", "grounds": "It is the only company that the text names."}', "Brimco"),
        ('{"firma": "Brimco", "warum": "Der Text nennt nur dieses eine Unternehmen."}', "Brimco"),
        ('{"firm": "Brimco", "town": "Malmö"}', None),
        ('{"status": "ok", "message": "I cannot find any name in the text you gave."}', None),
        ('{"firm": null, "grounds": "The text names no company of any kind at all."}', None),
    ],
)
def test_the_one_short_field_of_an_object_is_the_answer(reply: str, text: str | None) -> None:
    assert read("text", reply).label == text


def test_a_rating_is_read_on_the_scale_of_the_row() -> None:
    assert label("number", "Rate it from 1 to 5.", "Rating: 4/5") == "4"
    assert label("number", "Bewerte es von 1 bis 10.", "Bewertung: 7/10") == "7"
    assert label("number", "What share is red?", "Answer: 4/5") == "0.8"


def test_a_check_in_brackets_is_no_part_of_an_equation() -> None:
    assert label("number", "Half of it and 4 is 13.", "x = 18 (check: 9 + 4 = 13)") == "18"
    assert label("number", "Half of it and 4 is 13.", "x = 18 ✔️ (probe: 9 + 4 = 13)") == "18"


@pytest.mark.parametrize(
    ("reply", "mood"),
    [
        ("Sorrow is out. Joy was there, yet it ended, so anger is the right label.", "anger"),
        ("Fear fits at first. Overall, joy.", "joy"),
        ("That makes this a joy label.", "joy"),
        ("So joy is a stretch.", None),
        ("It ended well, so joy comes to mind.", None),
        ("Fear is there, so joy is out.", None),
        ("Fear fits at first. So it might be joy.", None),
        ("Fear fits at first. So joy is not the word.", None),
        ("Joy and fear are both there, so joy and fear it is.", None),
        ("As for fear, the text shows none.", None),
        ("The dog barked in fear at the door.", None),
    ],
)
def test_a_last_sentence_that_concludes_or_says_little_else(reply: str, mood: str | None) -> None:
    assert read("choice", reply, labels=MOODS).label == mood


@pytest.mark.parametrize(
    ("reply", "tool"),
    [
        ("[RESULT] (b) barometer", "barometer"),
        ("It measures pressure. [ANSWER] barometer", "barometer"),
        ("[compass] It shows the north.", "compass"),
        ("A storm rules out half of them → barometer", "barometer"),
        ("barometer — a thermometer would only tell how warm it is.", "barometer"),
        ("barometer — or a compass?", None),
        ("barometer — and the compass too", None),
        ("barometer – wrong.", None),
        ("[compass] is wrong.", None),
        ("[compass] vs [ruler]", None),
        ("(b) barometer is right. (c) compass is also correct.", None),
        ("(b) barometer\n\nIt measures pressure.\n\n(c) compass", None),
        ("(b) barometer\n\nWait, that is wrong.\n\n(c) compass", "compass"),
    ],
)
def test_marks_and_dashes(reply: str, tool: str | None) -> None:
    assert read("choice", reply, TOOLS).label == tool


def test_a_new_row_whose_options_are_headed_like_those_of_the_template() -> None:
    template = "{{ question }}\nAnswer Choices:\n{{ choices | lettered }}"
    task = Task("", RowFormat(template), Answer("choice"))
    row = "What tells the weather?\nAnswer Choices:\n(a) barometer\n(b) ruler"
    example = Example("7", row, ("barometer", "ruler"))
    reply = "\n\nWhat sweeps?\nAnswer Choices:\n(a) pan\n(b) broom\nAnswer: (b) broom"
    assert parse_completion(task, example, Completion(reply)).label is None
    reply = "Answer Choices:\n(a) barometer\n(b) ruler\nAnswer: (a) barometer"
    assert parse_completion(task, example, Completion(reply)).label == "barometer"


@pytest.mark.parametrize(
    ("row", "reply", "number"),
    [
        ("A square has sides of 5 cm. What is its area?", "Its area is 25 cm^2.", "25"),
        ("Solve 3x + 4 = 25.", "\\[\n3x = 21 \\implies x = 7\n\\]", "7"),
        ("Convert 4 weeks to hours. Show your work.", "Four weeks: 4 × 168 = 672.", "672"),
        (
            "Of 90 seats 3/5 are taken. How many are free?",
            "So 54 are taken and 36 are free.",
            "36",
        ),
        ("A toy is 5 dollars. What does it cost?", "It costs 3 dollars and fifty cents.", None),
        ("Cuesta 25 €, con un 20 % menos. ¿Cuánto?", "Son 20 €, ya que se quitan 5 €.", None),
    ],
)
def test_numbers_of_last_sentences(row: str, reply: str, number: str | None) -> None:
    assert label("number", row, reply) == number


def test_choices_that_the_row_numbers_are_named_by_their_numbers() -> None:
    row = "At what temperature does water boil?\n1) 0 °C\n2) 50 °C\n3) 100 °C"
    options = ("0 °C", "50 °C", "100 °C")
    assert label("choice", row, "It boils late, so option 3).", options) == "100 °C"
    assert label("choice", row, "1기압에서 끓으므로 정답은 3번입니다.", options) == "100 °C"
    assert label("choice", "When does water boil?", "It boils late, so option 3).", options) is None
