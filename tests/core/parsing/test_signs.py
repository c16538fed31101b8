"""What else says which answer is meant: the template's words, bold, the row's numbers."""

import pytest

from distilwhy.core.parsing.answer import Answer, Kind
from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task

QUEUES = Answer("choice", ("Billing", "Shipping", "Sales"))
PARTIES = Answer("choice", ("plaintiff", "defendant"))


def read(answer: Answer, reply: str, template: str = "{{ text }}", row: str = "row") -> Annotation:
    task = Task("", RowFormat(template), answer)
    return parse_completion(task, Example("1", row), Completion(reply))


@pytest.mark.parametrize(
    "reply",
    [
        "The parcel is late.\nQueue: Shipping",
        "The parcel is late. Queue: Shipping",
        "Queue: Shipping | Reason: the parcel is late",
        "Queue: Billing\n\nWait, the parcel is late.\n\nRevised queue: Shipping",
        "| **Topic** | a late parcel |\n|---|---|\n| **Queue** | **Shipping** |",
        "<queue>Shipping</queue>",
    ],
)
def test_an_answer_stands_behind_what_the_template_asks_for_it_with(reply: str) -> None:
    assert read(QUEUES, reply, "Ticket: {{ text }}\nQueue:").label == "Shipping"


def test_so_does_a_text() -> None:
    reply = "It stands before the verb.\nFirst name: Ada"
    assert read(Answer("text"), reply, "Text: {{ text }}\nFirst name:").label == "Ada"


def test_the_one_answer_in_bold_is_the_answer() -> None:
    assert read(QUEUES, "Este mensaje trata de **Shipping**, sin duda.").label == "Shipping"
    assert read(QUEUES, "Este mensaje trata de **Shipping** o **Sales**.").label is None
    assert read(QUEUES, "This might be about **Shipping**.").label is None
    assert read(Answer("number"), "There are **36** crayons in the boxes.").label == "36"


def test_emojis_are_no_part_of_an_answer_unless_the_labels_have_them() -> None:
    assert read(QUEUES, "It is late.\n\n👉 Label: Shipping 📦").label == "Shipping"
    moods = Answer("choice", ("😀", "😢"))
    assert read(moods, "She laughs. So the answer is 😀").label == "😀"


def test_a_field_of_any_name_that_holds_a_choice_is_the_answer() -> None:
    found = read(QUEUES, '{"porque": "El paquete no llega.", "cola": "Shipping"}')
    assert (found.label, found.rationale) == ("Shipping", "El paquete no llega.")
    assert read(QUEUES, '{"one": "Sales", "other": "Shipping"}').label is None


@pytest.mark.parametrize(
    ("row", "reply", "label"),
    [
        ("Wie viele Menschen sind es, und wo?", "Die Antwort ist 13.550.", "13550"),
        ("Wie viel ist es und was kostet der Rest?", "Die Antwort ist 1.200,50 Euro.", "1200.5"),
        ("How many are there?", "The answer is 2,5.", "2.5"),
        ("How many are there?", "The answer is 1.250.", None),
        ("Wie viele sind es, und wo?", "Die Antwort ist 1,250.", None),
    ],
)
def test_a_number_is_read_as_its_row_writes_numbers(
    row: str, reply: str, label: str | None
) -> None:
    assert read(Answer("number"), reply, row=row).label == label


@pytest.mark.parametrize(
    "remark",
    ["Both are possible, though.", "Pero no sabría cuál elegir.", "但无法确定。"],
)
def test_an_answer_that_is_left_open_after_all_is_none(remark: str) -> None:
    assert read(QUEUES, f"The answer is Shipping. {remark}").label is None


@pytest.mark.parametrize(
    "reply",
    [
        "My sister says the answer is Shipping, but she may be joking.",
        'Another student wrote: "It is late, so the answer is Shipping." Can you spot the mistake?',
        "The website rated this ticket as Shipping. I have not checked.",
    ],
)
def test_what_others_say_is_no_answer(reply: str) -> None:
    assert read(QUEUES, reply).label is None


@pytest.mark.parametrize(
    ("reply", "rationale"),
    [
        ("The answer is Sales. Wait, it is late. The answer is Shipping.", "Wait, it is late."),
        ("Shipping\nReason: It is late.\n\nWould you like me to write a reply?", "It is late."),
        ("Label: Shipping\nConfidence: 0.9\nReason: It is late.", "It is late."),
        ("Reason: It is late.\nConfidence: 0.9\nLabel: Shipping", "It is late."),
        ("📦 The parcel is late. 👉\nLabel: Shipping", "The parcel is late."),
        ("Shipping。包裹还没有到达。", "包裹还没有到达。"),
    ],
)
def test_a_rationale_has_no_other_answer_courtesy_confidence_or_emoji_at_its_ends(
    reply: str, rationale: str
) -> None:
    found = read(QUEUES, reply)
    assert (found.label, found.rationale) == ("Shipping", rationale)


@pytest.mark.parametrize(
    "reply",
    [
        "Category: Shipping, Sales",
        "Category: Shipping; Sales",
        "This belongs to Shipping, Sales",
        "Although it is late, which points to Sales.",
        "Although this is Shipping.",
        "Topic: Shipping (or rather Sales?)",
        "Category: Shipping | Sales",
    ],
)
def test_an_answer_with_another_beside_it_is_none(reply: str) -> None:
    assert read(QUEUES, reply).label is None


@pytest.mark.parametrize(
    "reply",
    [
        "While it mentions a price, this ticket is Shipping.",
        "Obwohl ein Preis genannt wird, ist das Shipping.",
        "Although it sounds like Sales, the ticket is Shipping.",
        "Aunque parece Sales, es Shipping.",
        "É Shipping, sim.",
        "This looks like Shipping: a parcel is late.",
        "Only Shipping remains.",
        "This is Shipping, since it does not say what was paid.",
    ],
)
def test_a_sentence_makes_its_point_where_its_main_clause_does(reply: str) -> None:
    assert read(QUEUES, reply).label == "Shipping"


@pytest.mark.parametrize("reply", ["No answer.", "No idea", "Answer: no answer"])
def test_no_answer_is_not_the_answer_no(reply: str) -> None:
    assert read(Answer("choice", ("yes", "no")), reply).label is None
    assert read(Answer("choice", ("yes", "no answer")), "No answer.").label == "no answer"


@pytest.mark.parametrize("reply", ["I doubt that the topic is: Sales", "Never said: Sales"])
def test_a_heading_that_denies_gives_no_answer(reply: str) -> None:
    assert read(QUEUES, f"It is late.\n{reply}").label is None


def test_fields_parted_by_blank_lines_are_one_reply() -> None:
    levels = Answer("choice", ("low", "high", "critical"))
    reply = "Impact: high\n\nUrgency: high\n\nPriority: critical"
    assert read(levels, reply).label == "critical"


def test_an_answer_that_must_be_is_stated_when_the_next_row_begins() -> None:
    reply = "54 - 13 = 41. The answer must be 41. Q: And 6 + 8? A: The answer must be 14."
    assert read(Answer("number"), reply).label == "41"


def test_a_text_in_bold_is_an_answer_only_within_a_sentence() -> None:
    assert read(Answer("text"), "**I cannot tell which one it is.**").label is None
    assert read(Answer("text"), "It was built by **Ivo Kern** himself.").label == "Ivo Kern"


def test_a_question_in_place_of_a_text_is_no_answer() -> None:
    assert read(Answer("text"), "Answer: Oslo and Graz? It has two.").label is None


def test_another_name_that_opens_with_a_label_is_none() -> None:
    languages = Answer("choice", ("C", "C++", "Java"))
    assert read(languages, "Answer: C#").label is None
    assert read(languages, "Answer: C++").label == "C++"


def test_a_number_behind_a_bullet_has_no_sign() -> None:
    assert read(Answer("number"), "- 41 apples").label != "-41"


def test_a_conclusion_may_stand_behind_a_colon() -> None:
    truth = Answer("choice", ("True", "False"))
    assert read(truth, "All wugs are blue, and Tim is one. So: True.").label == "True"


def test_a_scale_is_no_answer() -> None:
    stars = Answer("choice", ("1", "2", "3", "4", "5"))
    assert read(stars, "Rating: ?/5").label is None
    assert read(stars, "Rating: 3/5 stars").label == "3"


def test_a_label_may_be_joined_in_another_way() -> None:
    for label, said in [
        ("Sci/Tech", "Sci-Tech"),
        ("NotMentioned", "Not mentioned"),
        ("add_to_playlist", "AddToPlaylist"),
        ("add_to_playlist", "add to playlist"),
    ]:
        found = read(Answer("choice", ("Sports", label)), f"Category: {said}")
        assert found.label == label


@pytest.mark.parametrize(
    ("row", "reply", "label"),
    [
        ("What does it earn in 5 days?", "It earns 72 dollars a day.", None),
        ("What does it earn a day?", "It earns 72 dollars a day.", "72"),
        ("It is reduced by 15 %. What does it cost?", "It is reduced by $12.", None),
        ("By how many degrees does it fall?", "It falls by 11 degrees.", "11"),
        ("How many trees are left?", "There are 320 trees left.", "320"),
        ("She buys 4 pens. How much change does she get?", "The pens cost $6.", None),
        ("She buys 4 pens. How much change does she get?", "She gets $8.", "8"),
        ("What is it now?", "The answer is 80 minus 15 percent of it.", None),
        ("What is it now?", "The answer is a fall of 11.", None),
    ],
)
def test_a_sentence_with_a_number_answers_only_what_is_asked(
    row: str, reply: str, label: str | None
) -> None:
    assert read(Answer("number"), reply, row=row).label == label


@pytest.mark.parametrize("reply", ["La opción correcta es la b.", "A alternativa correta é (b)."])
def test_a_quality_may_stand_behind_its_noun(reply: str) -> None:
    assert read(QUEUES, reply, row="x\n(a) Billing\n(b) Shipping\n(c) Sales").label == "Shipping"


AGES = "Ben is 12. Ann is 4 years older. Cem has 20 pens and 30 books. {}"


@pytest.mark.parametrize(
    ("question", "reply", "label"),
    [
        ("How old is Ann?", "Ann is 16 years old.", "16"),
        ("How old is Ann?", "Ben is 13 years old.", None),
        ("How old is Ann?", "12 + 1 = 13. So Ben is 13 years old.", None),
        ("How old is Ann?", "So she is 16 years old.", "16"),
        ("How many pens does Cem sell?", "So Cem sells 15 pens.", "15"),
        ("How many pens does Cem sell?", "So Cem sells 15 books.", None),
        ("How many pens does he sell?", "20 pens are there.", None),
        ("How many pens are left?", "So 5 are gone. So 15 pens are left.", "15"),
        ("How many pens are left?", "5\n8", None),
        ("How old will Ann be in 5 years?", "Ann is 16 years old now.", None),
        ("How old is Ann now?", "Ann is 16 years old now.", "16"),
        ("How many pens are left?", "15 pens are left.\nCheck: 15 + 5 = 20", "15"),
        ("How many pens are left?", "5 + 3\n8", "8"),
    ],
)
def test_a_number_of_another_thing_or_with_another_beside_it_is_a_step(
    question: str, reply: str, label: str | None
) -> None:
    assert read(Answer("number"), reply, row=AGES.format(question)).label == label


@pytest.mark.parametrize("kind", ["text", "number"])
def test_a_step_without_a_cue_states_no_text_and_no_number(kind: Kind) -> None:
    assert read(Answer(kind), "At room temperature water is liquid.").label is None
    assert read(Answer(kind), "At 20 degrees water is liquid.").label is None


@pytest.mark.parametrize(
    ("remark", "label"),
    [
        ("Sales just as well.", None),
        ("… Sales just as well", None),
        ("But Sales would do equally.", None),
        ("Sales would be fine, too.", None),
        ("Sales would not do as well.", "Shipping"),
        ("It will arrive just as well tomorrow.", "Shipping"),
        ("It fits the Salesian calendar equally.", "Shipping"),
    ],
)
def test_an_answer_with_an_equal_beside_it_is_left_open(remark: str, label: str | None) -> None:
    assert read(QUEUES, f"I would label this Shipping. {remark}").label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("It names a parcel. This is Shipping. This is Sales.", None),
        ("It is late, so Shipping. It is an offer, so Sales.", None),
        ("This is Sales. Wait, it is late. This is Shipping.", "Shipping"),
    ],
)
def test_two_sentences_that_state_answers_are_a_problem_unless_one_is_taken_back(
    reply: str, label: str | None
) -> None:
    assert read(QUEUES, reply).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("The premise contradicts the hypothesis.", "contradiction"),
        ("They differ. The hypothesis is thus contradicted by the premise.", "contradiction"),
        ("The premise is neutral towards the hypothesis.", "neutral"),
        ("The premise does not contradict the hypothesis.", None),
        ("Nothing in the premise contradicts the hypothesis.", None),
        ("The man contradicts his wife.", None),
    ],
)
def test_a_form_of_a_label_that_ties_the_fields_of_a_row_states_it(
    reply: str, label: str | None
) -> None:
    labels = Answer("choice", ("entailment", "neutral", "contradiction"))
    row = "Premise: A man talks to his wife.\nHypothesis: He is mute."
    assert read(labels, reply, row=row).label == label


def test_an_adjective_agrees_with_its_noun() -> None:
    moods = Answer("choice", ("positivo", "negativo"))
    assert read(moods, "La reseña es negativa.", row="Reseña: Mala.").label == "negativo"


@pytest.mark.parametrize(
    "reply",
    [
        "I rule in favor of the plaintiff.",
        "In favour of the plaintiff.",
        "The judgment is in favor of the plaintiff.",
        "Je tranche en faveur de plaintiff.",
        "I side with the plaintiff over the defendant.",
    ],
)
def test_a_party_may_be_favoured(reply: str) -> None:
    assert read(PARTIES, reply).label == "plaintiff"


@pytest.mark.parametrize(
    "reply",
    [
        "Arguments in favor of the plaintiff: he paid.",
        "Nothing speaks in favor of the plaintiff.",
        "His lawyer argued in favor of the plaintiff.",
        "There is much in favor of the plaintiff.",
    ],
)
def test_what_speaks_in_favor_of_a_party_decides_nothing(reply: str) -> None:
    assert read(PARTIES, reply).label is None


@pytest.mark.parametrize(
    ("reply", "label", "rationale"),
    [
        ("The site is down.\n\nP1 (critical)", "P1", "The site is down."),
        ("The site is down. This is P1 (critical).", "P1", "The site is down."),
        ("P1 (critical): the site is down for all.", "P1", "the site is down for all."),
        ("P1 (site is down, nobody can work)", "P1", "(site is down, nobody can work)"),
        ("P1 (maybe)", None, ""),
        ("P1 (or P2)", None, ""),
        ("P1 (not this one)", None, ""),
    ],
)
def test_a_label_may_have_a_gloss_in_brackets(
    reply: str, label: str | None, rationale: str
) -> None:
    found = read(Answer("choice", ("P1", "P2", "P3")), reply)
    assert (found.label, found.rationale) == (label, rationale)


def test_a_unit_of_one_letter_is_no_unknown() -> None:
    assert read(Answer("number"), "40 L - 12.5 L = 27.5 L").label == "27.5"
    assert read(Answer("number"), "2 x + 3 = 11").label is None


def test_a_sum_that_is_asked_for_is_of_all() -> None:
    row = "Ben is 4 years older than Ida. Ida is 9. How old are they together?"
    assert read(Answer("number"), "Ben is 13 years old.", row=row).label is None
    assert read(Answer("number"), "Ben and Ida are 22 years old.", row=row).label == "22"
    assert read(Answer("number"), "Together they are 22 years old.", row=row).label == "22"


def test_a_fact_of_other_circumstances_is_no_answer() -> None:
    row = "In which state is water vapour?\n(a) liquid\n(b) gas\n(c) solid"
    states = Answer("choice", ("liquid", "gas", "solid"))
    assert read(states, "At room temperature water is liquid.", row=row).label is None
    assert read(states, "In my opinion it is gas.", row=row).label == "gas"


def test_labels_that_the_row_numbers_are_named_by_their_numbers() -> None:
    labels = Answer("choice", ("spam", "not spam"))
    assert read(labels, "The answer is (2).", row="x\n(1) spam (2) not spam").label == "not spam"


def test_the_head_of_the_rows_own_text_opens_another_row():
    row = "Ticket: The parcel is late."
    reply = "It is about a parcel. Shipping.\n\nTicket: The bill is wrong.\nBilling."
    assert read(QUEUES, reply, "{{ text }}", row).label == "Shipping"
