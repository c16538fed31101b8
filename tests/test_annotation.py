"""What is read in a teacher's reply. A wrong reading is worse than none."""

import time
from random import Random

import pytest

from distilwhy.core.annotation import Annotation, Completion, parse_completion
from distilwhy.core.answer import Answer
from distilwhy.core.task import Example, Task, Wording

OPTIONS = ("park", "mall", "office", "go home", "go")
STOP = ("\n\nQ:",)


def read(
    kind: str,
    text: str,
    options: tuple[str, ...] = (),
    *,
    labels: tuple[str, ...] = (),
    finish: str = "stop",
    stop: tuple[str, ...] = STOP,
) -> Annotation:
    task = Task("", Wording("{{ q }}"), Answer(kind, labels))
    return parse_completion(task, Example("7", "q", options), Completion(text, finish), stop)


def choose(text: str, **changes: object) -> Annotation:
    return read("choice", text, OPTIONS, **changes)


@pytest.mark.parametrize(
    "text",
    [
        "So the answer is (b) mall.",
        "The answer is (b) mall.",
        "The answer is: (b) mall",
        "the answer is b",
        "The answer is B.",
        "The answer is (B)",
        "The answer is [b].",
        "The answer is b) mall.",
        "The answer is B. mall",
        "The answer is B: mall",
        "The answer is B - mall",
        "The answer is B – mall",
        "The answer is B, mall.",
        "The answer is B, the mall.",
        "The answer is mall.",
        "The answer is the mall.",
        "The answer is a Mall",
        "The answer is MALL!",
        'The answer is "mall".',
        "The answer is “mall”.",
        "The answer is mall (b).",
        "The answer is option B.",
        "The answer is Option (b): mall",
        "The answer is choice B",
        "The correct answer is (b).",
        "The final answer is (b).",
        "The best answer is (b).",
        "The most likely answer is (b).",
        "My answer is (b).",
        "The answer to this question is (b) mall.",
        "The correct option is (b).",
        "The best choice is: mall",
        "Therefore, the correct answer is: **B) mall**.",
        "Thus, the final answer is **B**.",
        "Hence the answer is `mall`.",
        "The answer is probably (b) mall.",
        "The answer is most likely mall.",
        "The answer is that it is the mall.",
        "The answer is clearly the mall.",
        "The answer is (b) shopping mall.",
        "The answer is (b) malls.",
        "The answer is (b) mall, not (a) park.",
        "The answer is mall rather than park.",
        "The answer is mall, since a park has no shops.",
        "The answer is B because park is too small.",
        "The answer is (b) mall. (a) park has no shops.",
        "Answer: B",
        "Answer: (b) mall",
        "Answer = (b)",
        "ANSWER: B",
        "Ans: b",
        "Final answer: B",
        "Correct Answer: B",
        "**Answer:** B",
        "**Answer: B. mall**",
        "**Answer**: mall",
        "*Answer:* (b) mall",
        "__Answer:__ mall",
        "***Answer: mall***",
        "> Answer: mall",
        "- **Answer:** mall",
        "Answer:\n(b) mall",
        "Answer:\n\n**B**",
        "Answer:\n- mall",
        "The answer is\n\n* **mall**",
        "## Answer\n\nB",
        "### Final Answer: B",
        "### Final Answer\n(b) mall",
        "**Final Answer**\n\n(b) mall",
        "#### b",
        "#### Answer: B",
        "\\boxed{B}",
        "\\boxed{\\text{mall}}",
        "$\\boxed{\\text{(B) mall}}$",
        "\\[\n\\boxed{\\textbf{(B)}}\n\\]",
        "The final answer is $\\boxed{B}$.",
        "<answer>B</answer>",
        "<answer>\nmall\n</answer>",
        "<b>Answer:</b> mall",
        "Answer：（b）mall",
        "Answer: ~~(a) park~~ (b) mall",
        "The answer is (b) mall.<|im_end|>\n<|im_start|>user",
        "The answer is mall</s>",
        "The answer is (b) mall.\n\nLet me know if you need anything else!",
        "Answer: B\n\nExplanation: a park has no shops.",
        "The answer is (b)\u00a0mall.",
    ],
)
def test_a_choice_is_read_however_it_is_put(text):
    assert choose(text) == Annotation("7", "ok", "", "mall")
    reasons = "People shop. In a park, they do not."
    assert choose(f"{reasons}\n\n{text}") == Annotation("7", "ok", reasons, "mall")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("The answer is (a) mall.", "the letter says 'park', the text 'mall'"),
        ("The answer is A: mall", "the letter says 'park', the text 'mall'"),
        ("The answer is A - mall", "the letter says 'park', the text 'mall'"),
        ("The answer is mall (a).", "more than one choice"),
        ("The answer is either (a) park or (b) mall.", "more than one choice"),
        ("The answer is either park or some other place.", "more than one choice"),
        ("The answer is (a) park or (b) mall.", "more than one choice"),
        ("The answer is (a) or (b).", "more than one choice"),
        ("The answer is A or B", "more than one choice"),
        ("The answer is A/B", "more than one choice"),
        ("The answer is A, C.", "more than one choice"),
        ("The answer is A & C.", "more than one choice"),
        ("The answer is both A and B.", "more than one choice"),
        ("The answer is park/mall", "more than one choice"),
        ("The answer is park,mall", "more than one choice"),
        ("The answer is park, mall.", "more than one choice"),
        ("The answer is (b) mall (a)", "more than one choice"),
        ("The answer is one of (a), (b) and (c).", "more than one choice"),
        ("The answer is park is fine but mall is better", "more than one choice"),
        ("Answer: (A) park (B) mall (C) office", "more than one choice"),
        ("The answer is not park.", "negation"),
        ("The answer is not (a) park but (b) mall.", "negation"),
        ("The answer is neither park.", "negation"),
        ("The answer is none of the above.", "negation"),
        ("The answer is anything except park.", "negation"),
        ("The answer is that park is not it.", "negation"),
        ("The answer is park is wrong.", "negation"),
        ("The answer is unclear, though a park is one place.", "negation"),
        ("I don't think the answer is park.", "only supposed"),
        ("I'm not sure that the answer is park.", "only supposed"),
        ("If the answer is park, people walk there.", "only supposed"),
        ("The answer is (f) zoo.", "none of the choices"),
        ("The answer is F.", "none of the choices"),
        ("The answer is one of these four.", "none of the choices"),
        ("The answer is park-like.", "none of the choices"),
        ("The answer is a non-park.", "none of the choices"),
        ("The answer is a place to go.", "only mentions"),
        ("The answer is what people call a park.", "only mentions"),
        ("The answer is e.g. park.", "none of the choices"),
        ("The answer is clear. The park is big.", "none of the choices"),
        ("The answer must be a place.", "no answer is stated"),
        ("The answer isn't park.", "no answer is stated"),
        ("So B is it.", "no answer is stated"),
        ("What is the answer? It is park.", "no answer is stated"),
        ("Let us see.\n(a) park: too small\n(b) mall: it has shops", "no answer is stated"),
        ("d. office is wrong", "no answer is stated"),
        ("The answer is", "ends before its answer"),
        ("So the answer is ", "ends before its answer"),
        ("**Answer:**", "ends before its answer"),
        ("Answer:\n\nExplanation: the mall has shops.", "ends before its answer"),
        ("\\boxed{", "ends before its answer"),
        ("Answer: B\nWait, actually it is C.", "taken back"),
        ("Answer: B. No, it's C.", "taken back"),
        ("The answer is (b). Hmm, wait, that is wrong.", "taken back"),
        ("The answer is (b) - wait, that is wrong.", "taken back"),
        ("The answer is (b).\n\nI made a mistake: people walk there.", "taken back"),
        ("", "the reply is empty"),
        (" \n ", "the reply is empty"),
    ],
)
def test_what_states_no_one_choice_is_a_problem(text, problem):
    annotation = choose(text)
    assert (annotation.outcome, annotation.label, annotation.rationale) == ("unparsed", None, "")
    assert problem in annotation.problem


@pytest.mark.parametrize(
    ("options", "text", "label"),
    [
        (OPTIONS, "The answer is go home.", "go home"),
        (OPTIONS, "The answer is go.", "go"),
        (OPTIONS, "The answer is (e) go.", "go"),
        (OPTIONS, "The answer is (e) go home.", None),
        (
            ("salt", "pepper", "salt and pepper"),
            "The answer is salt and pepper.",
            "salt and pepper",
        ),
        (("oil", "salt", "oil and salt"), "The answer is oil or salt.", None),
        (("rock and roll", "roll"), "The answer is (a) rock and roll.", "rock and roll"),
        (("this or that", "that"), "The answer is this or that.", "this or that"),
        (("store", "store", "park"), "The answer is (b) store.", "store"),
        (("store", "store", "park"), "The answer is store.", "store"),
        (("Turkey", "turkey"), "The answer is turkey.", "turkey"),
        (("Turkey", "turkey"), "The answer is TURKEY.", None),
        (("Turkey", "turkey"), "The answer is (a) TURKEY.", "Turkey"),
        (("C", "C++", "C#"), "The answer is C++.", "C++"),
        (("C", "C++", "C#"), "The answer is (c) C#.", "C#"),
        (("Java", "C"), "The answer is C++.", None),
        (("3", "-3", "0.3"), "The answer is -3.", "-3"),
        (("3", "-3", "0.3"), "The answer is 3.", "3"),
        (("3", "-3", "0.3"), "The answer is (c) 0.3", "0.3"),
        (("1", "2", "12"), "The answer is 1/2.", None),
        (("$5", "$10"), "The answer is $10.", "$10"),
        (("the ground", "sky"), "The answer is ground.", "the ground"),
        (("urban area", "area"), "The answer is (a) urban area.", "urban area"),
        (("farmer's market", "market"), "The answer is farmer’s market.", "farmer's market"),
        (("dog", "cat"), "The answer is the dog's bowl.", None),
        (("St. Louis", "Chicago"), "The answer is St. Louis.", "St. Louis"),
        (("not enough", "enough"), "The answer is not enough.", "not enough"),
        (("none of these", "park"), "The answer is none of these.", "none of these"),
        (("vitamin C", "iron"), "The answer is vitamin C.", "vitamin C"),
        (("yes", "no"), "The answer is no. There is no way.", "no"),
        (("A", "B", "C"), "The answer is B.", "B"),
        (("b", "a"), "The answer is a.", None),
        (("x", "y"), "The answer is y.", "y"),
        (("x", "y"), "The answer is (b) y.", "y"),
        (("?", "!"), "The answer is (b) !", "!"),
    ],
)
def test_options_that_are_alike(options, text, label):
    annotation = read("choice", text, options)
    assert annotation.label == label
    assert annotation.outcome == ("ok" if label else "unparsed")


NLI = ("entailment", "neutral", "contradiction")


@pytest.mark.parametrize(
    ("labels", "text", "label"),
    [
        (NLI, "So the answer is entailment.", "entailment"),
        (NLI, "Answer: Entailment", "entailment"),
        (NLI, "**Answer:** *neutral*", "neutral"),
        (NLI, "The answer is an entailment.", "entailment"),
        (NLI, "The premise says so.\nneutral", "neutral"),
        (NLI, "The answer is not entailment.", None),
        (NLI, "The answer is non-entailment.", None),
        (NLI, "The answer is no entailment.", None),
        (NLI, "The answer is neutral or contradiction.", None),
        (NLI, "The answer is B.", None),
        (NLI, "neutral because it does not say.", None),
        (("entailment", "not_entailment"), "The answer is not_entailment.", "not_entailment"),
        (("entailment", "not_entailment"), "The answer is not entailment.", "not_entailment"),
        (("spam", "not spam"), "The answer is not spam.", "not spam"),
        (("A", "B", "C"), "The answer is B", "B"),
        (("A", "B", "C"), "The answer is (c).", "C"),
        (("A", "B", "C"), "The answer is that a dog barks.", None),
        (("A", "B", "C"), "The answer is A dog barks.", None),
        (("1", "2", "3"), "The answer is 2.", "2"),
        (("1", "2", "3"), "The answer is 2 out of 3.", None),
        (("yes", "no"), "The answer is yes, because no one objects.", "yes"),
        (("true", "false"), "The answer is not true.", None),
    ],
)
def test_fixed_labels(labels, text, label):
    annotation = read("choice", text, labels=labels)
    assert annotation.label == label
    assert annotation.outcome == ("ok" if label else "unparsed")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The answer is 42.", "42"),
        ("The answer is **42**.", "42"),
        ("Answer: 42", "42"),
        ("#### 42", "42"),
        ("#### 1,234", "1234"),
        ("\\boxed{42}", "42"),
        ("\\[ \\boxed{42} \\]", "42"),
        ("$\\boxed{42 \\text{ apples}}$", "42"),
        ("\\boxed{\\frac{84}{2}}", "42"),
        ("\\boxed{1{,}234}", "1234"),
        ("42", "42"),
        ("Six times seven.\n42.", "42"),
        ("The answer is $1,234.50.", "1234.5"),
        ("The answer is \\$42.", "42"),
        ("The answer is €42", "42"),
        ("The answer is USD 42.", "42"),
        ("The answer is 42 apples.", "42"),
        ("The answer is 42 km/h.", "42"),
        ("The answer is 42 apples/day.", "42"),
        ("The answer is 42 cm².", "42"),
        ("The answer is a 42-inch screen.", "42"),
        ("The answer is 42%.", "42"),
        ("The answer is 42\\%.", "42"),
        ("The answer is 42 percent.", "42"),
        ("The answer is 0.5.", "0.5"),
        ("The answer is .5", "0.5"),
        ("The answer is 1/2.", "0.5"),
        ("The answer is 6 * 7 = 42.", "42"),
        ("The answer is 6 x 7 = 42 apples.", "42"),
        ("The answer is 5 apples * 3 = 15 apples.", "15"),
        ("The answer is x = 42.", "42"),
        ("The answer is = 42", "42"),
        ("The answer is 6 * 7.", "42"),
        ("The answer is (6 + 1) * 6.", "42"),
        ("The answer is 50 - 8.", "42"),
        ("The answer is 10 / 3 ≈ 3.33", "3.33"),
        ("The answer is about 42.", "42"),
        ("The answer is that she has 42 apples.", "42"),
        ("The answer is 42 because 6 * 7 = 42.", "42"),
        ("The answer is 42, since 6 * 7 = 42.", "42"),
        ("The answer is forty-two (42).", "42"),
        ("The answer is 42 (forty-two).", "42"),
        ("The answer is -42.", "-42"),
        ("The answer is −42.", "-42"),
        ("The answer is –42.", "-42"),
        ("The answer is - 42.", "-42"),
        ("Answer:\n- 42", "42"),
        ("Answer:\n```\n42\n```", "42"),
        ("The answer is ４２.", "42"),
        ("The answer is 42. That is 6 * 7.", "42"),
        ("The answer is 42. Then 50 - 8 = 41.", "42"),
        ("The answer is Rs. 42. That is 6 * 7.", "42"),
        ("The answer is 1.5 apples. 3 / 2 = 1.5.", "1.5"),
        ("The answer is 42.\n\n#### Step 1: see above", "42"),
        ("The answer is 42.<|eot_id|>", "42"),
    ],
)
def test_a_number_is_read_however_it_is_put(text, label):
    annotation = read("number", text)
    assert (annotation.outcome, annotation.label) == ("ok", label)


@pytest.mark.parametrize(
    "text",
    [
        "The answer is not 42.",
        "The answer isn't 42.",
        "The answer is 40 or 42.",
        "The answer is 42 or more.",
        "The answer is 40-42.",
        "The answer is 40–42.",
        "The answer is between 40 and 42.",
        "The answer is from 40 to 42.",
        "The answer is at least 42.",
        "The answer is more than 42.",
        "The answer is > 42.",
        "The answer is 42 out of 50.",
        "The answer is 12 apples and 3 pears.",
        "The answer is 12 apples and three pears.",
        "The answer is that one apple costs 3 dollars.",
        "The answer is twice 21.",
        "The answer is half of 84.",
        "The answer is 42 hours and 30 minutes.",
        "The answer is 3:30.",
        "The answer is 2024-01-31.",
        "The answer is 3 million.",
        "The answer is 5k.",
        "The answer is 3 dozen.",
        "The answer is 3½.",
        "The answer is 2 1/2.",
        "The answer is 2 and a half.",
        "The answer is 10².",
        "The answer is 10^2.",
        "The answer is 2**3.",
        "The answer is 9**9**9.",
        "The answer is 1e5.",
        "The answer is 50 * 20%.",
        "The answer is 50% of 84.",
        "The answer is 1,50.",
        "The answer is 1.234,50.",
        "The answer is x = 42, y = 3.",
        "The answer is x + 5 = 42.",
        "The answer is 2x = 42.",
        "The answer is 7 + x.",
        "The answer is 5x.",
        "The answer is 84 / 0.",
        "The answer is 84 / ",
        "The answer is H2O.",
        "The answer is Rs.42.",
        "The answer is forty-two.",
        "The answer is unknown because 42 is missing.",
        "The answer is " + "9" * 5000,
        "She has 42 apples.",
        "1. Add.\n2. Multiply.\n3.",
        "#### Step 1",
        "\\boxed{42",
        "The answer is \\boxed{42}. Wait, I made a mistake.",
    ],
)
def test_what_states_no_one_number_is_a_problem(text):
    annotation = read("number", text)
    assert (annotation.outcome, annotation.label) == ("unparsed", None)
    assert annotation.problem
    assert "\n" not in annotation.problem


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The answer is (84 / 2).", "84 / 2"),
        ("The answer is 84/2.", "84 / 2"),
        ("The answer is **84 / 2**.", "84 / 2"),
        ("The answer is `84 / 2`.", "84 / 2"),
        ("The answer is 84 ÷ 2.", "84 / 2"),
        ("The answer is 84 / 2 = 42.", "84 / 2"),
        ("The answer is 84 / 2 = $42.", "84 / 2"),
        ("The answer is 42 = 84 / 2.", "84 / 2"),
        ("The answer is x = 84 / 2.", "84 / 2"),
        ("The answer is x = 84 / 2 = 42.", "84 / 2"),
        ("The answer is total cost = 84 / 2.", "84 / 2"),
        ("The answer is $84 / 2.", "84 / 2"),
        ("The answer is $84 / 2$.", "84 / 2"),
        ("The answer is \\(84 \\div 2\\).", "84 / 2"),
        ("The answer is 84 / 2 dollars.", "84 / 2"),
        ("The answer is 84 / 2 km/h.", "84 / 2"),
        ("The answer is therefore 84 / 2.", "84 / 2"),
        ("The answer is 84 / 2. So she has 42.", "84 / 2"),
        ("The answer is 84 / 2. Check: 42 = 40 + 3.", "84 / 2"),
        ("\\boxed{\\frac{84}{2}}", "84 / 2"),
        ("\\boxed{84 \\div 2 = 42}", "84 / 2"),
        ("#### (84 / 2)", "84 / 2"),
        ("Answer:\n- 84 / 2", "84 / 2"),
        ("Answer:\n```\n84 / 2\n```", "84 / 2"),
        ("Share them.\n84 / 2", "84 / 2"),
        ("The answer is 6 x 7.", "6 * 7"),
        ("The answer is 6 × 7.", "6 * 7"),
        ("The answer is $23 * $10.", "23 * 10"),
        ("The answer is [(3 + 4) * 2].", "( 3 + 4 ) * 2"),
        ("The answer is 1,234 + 2.", "1234 + 2"),
        ("The answer is 12–5.", "12 - 5"),
        ("The answer is -84 / 2.", "-84 / 2"),
        ("The answer is 42.", "42"),
    ],
)
def test_an_equation_is_read_however_it_is_put(text, label):
    annotation = read("equation", text)
    assert (annotation.outcome, annotation.label) == ("ok", label)


@pytest.mark.parametrize(
    "text",
    [
        "The answer is (2 * x).",
        "The answer is 5x.",
        "The answer is (some - 8).",
        "The answer is x + 5 = 12.",
        "The answer is (7x = 14).",
        "The answer is 5 apples * 3 apples.",
        "The answer is 84 / 2 (that is 42).",
        "The answer is 84 / 2 for the first 3.",
        "The answer is (84 / 2) or (84 * 2).",
        "The answer is (8 / 4) and (6 / 4).",
        "The answer is (14, 21).",
        "The answer is y = 2, x = 84 / 2.",
        "The answer is 84 / 2 = 40 + 3.",
        "The answer is 84 divided by 2.",
        "The answer is 3(4 + 5).",
        "The answer is 2^3.",
        "The answer is **2**3**.",
        "The answer is 50 * 20%.",
        "The answer is 84 / 0.",
        "The answer is (84 / 2",
        "The answer is half of them.",
        "Share them.\n84 / 2 = 42",
        "The answer is " + "1+" * 500 + "1",
        "The answer is __import__('os').",
    ],
)
def test_what_states_no_one_equation_is_a_problem(text):
    annotation = read("equation", text)
    assert (annotation.outcome, annotation.label) == ("unparsed", None)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The answer is Paris.", "Paris"),
        ("Answer: **Paris, France**", "Paris, France"),
        ('The answer is "Paris".', "Paris"),
        ("Answer:\nParis", "Paris"),
        ("\\boxed{Paris}", "Paris"),
        ("The answer is Paris.<|im_end|>", "Paris"),
    ],
)
def test_text_is_read_as_it_stands(text, label):
    assert read("text", text).label == label


@pytest.mark.parametrize("text", ["Paris", "I like it.\nParis", "The answer is", "#### Paris"])
def test_text_needs_a_cue(text):
    assert read("text", text).outcome == "unparsed"


@pytest.mark.parametrize("stop", [STOP, ()], ids=["told to stop", "not told"])
@pytest.mark.parametrize(
    "made_up",
    [
        "\n\nQ: Where now?\nA: The answer is (a) park.",
        "\nQ: Where now?\nA: The answer is (a) park.",
        "\n\nQuestion: Where now?\nAnswer: (a) park",
        "\n\n**Question 2:** Where now?\n**Answer:** (a) park",
        "\n\n### Question 2:\nWhere now?\n### Answer: (a) park",
        "\n\nInput: Where now?\nThe answer is (a) park.",
        "\n\nProblem 2. Where now?\nThe answer is (a) park.",
        "\n\nExample 3: Where now?\nThe answer is (a) park.",
        "\n\nHuman: Where now?\n\nAssistant: The answer is (a) park.",
        "\n\n### Instruction:\nWhere now?\n\nThe answer is (a) park.",
        "<|eot_id|>\nWhere now? The answer is (a) park.",
        "</s>[INST] Where now? [/INST] The answer is (a) park.",
    ],
)
def test_a_made_up_next_question_is_cut_off(made_up, stop):
    reply = "People shop there. So the answer is (b) mall."
    expected = Annotation("7", "ok", "People shop there.", "mall")
    assert choose(reply + made_up, stop=stop) == expected


def test_a_stop_text_of_the_task_is_obeyed():
    reply = "So the answer is (b) mall.\n--\nThe answer is (a) park."
    assert choose(reply, stop=("\n--",)).label == "mall"
    assert choose(reply, stop=()).label == "park"


@pytest.mark.parametrize(
    ("text", "rationale"),
    [
        ("<think>The answer is (a).</think>People shop. The answer is (b).", "People shop."),
        ("<think>\nNo.\n</think>\n\nPeople shop.\n\n**Answer:** B", "People shop."),
        ("<thinking>Hm.</thinking> People shop. The answer is (b).", "People shop."),
        ("The answer is (a).</think>People shop. The answer is (b).", "People shop."),
        ("<think>a</think><think>b</think>People shop. The answer is (b).", "People shop."),
        ("People shop. The answer is (b).<think>The answer is (a).", "People shop."),
    ],
)
def test_thinking_is_not_the_reply(text, rationale):
    assert choose(text) == Annotation("7", "ok", rationale, "mall")


def test_a_reply_that_only_thinks_is_empty():
    assert choose("<think>The answer is (b).").problem == "the reply is empty"
    assert choose("<think>The answer is (b).</think>").problem == "the reply is empty"
    assert choose("<think>The answer is (b).", finish="length").outcome == "truncated"


def test_the_last_of_two_answers_wins():
    annotation = choose("The answer is (a) park. But people shop. So the answer is (b) mall.")
    assert annotation.label == "mall"
    assert annotation.rationale == "The answer is (a) park. But people shop."


@pytest.mark.parametrize(
    "text",
    [
        "People shop.\n\n**Answer:** B\n\n#### b",
        "People shop. So the answer is (b) mall.\n\nAnswer: (b) mall",
        "People shop. The answer is $\\boxed{B}$.",
        "People shop.\n### Final Answer\nThe answer is **mall**.",
        "People shop. So the answer is the mall.\n\\boxed{B}",
    ],
)
def test_an_answer_said_twice_over_is_no_part_of_the_rationale(text):
    assert choose(text) == Annotation("7", "ok", "People shop.", "mall")


def test_reasons_between_two_equal_answers_are_kept():
    annotation = choose("Answer: B. Parks have no shops. So the answer is (b).")
    assert annotation.rationale == "Answer: B. Parks have no shops."


@pytest.mark.parametrize(
    ("text", "rationale"),
    [
        ("Rationale: People\n  shop.\nAnswer: B", "People shop."),
        ("**Explanation:** People shop.\n\n**Answer:** B", "People shop."),
        ("A: People shop. The answer is (b).", "People shop."),
        ("People *really* shop, so the answer is (b).", "People really shop"),
        ("1. People shop.\n2. So be it.\n\n---\n\n**Answer:** B", "1. People shop. 2. So be it."),
        ("It costs 3 * 4 = 12.\nAnswer: B", "It costs 3 * 4 = 12."),
        ("Costs: 5 > 3\n\\[\n\\boxed{B}\n\\]", "Costs: 5 > 3"),
        ("(b) mall", ""),
    ],
)
def test_the_rationale_is_what_stands_before_the_answer(text, rationale):
    annotation = choose(text)
    assert (annotation.outcome, annotation.rationale) == ("ok", rationale)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, I cannot answer this.",
        "I cannot assist with that request.",
        "I can't help with that.",
        "I am unable to answer.",
        "I'm not able to help.",
        "I won't answer that.",
        "Sorry, no.",
        "Unfortunately, I cannot say.",
        "As an AI language model, I have no opinion.",
        "**I'm sorry**, I can't.",
        "<think>Hm.</think>I can't help with that.",
    ],
)
def test_a_refusal_is_told_apart(text):
    annotation = choose(text)
    assert (annotation.outcome, annotation.label) == ("refused", None)


def test_a_teacher_that_is_sorry_and_answers_is_read():
    assert choose("I'm sorry for the wait. The answer is (b).").label == "mall"


@pytest.mark.parametrize("finish", ["refusal", "content_filter", "SAFETY"])
def test_a_finish_reason_may_be_a_refusal(finish):
    annotation = choose("So the answer is (b) mall.", finish=finish)
    assert annotation == Annotation("7", "refused", problem=f"finish: {finish}")


@pytest.mark.parametrize("finish", ["length", "max_tokens", "MAX_TOKENS"])
@pytest.mark.parametrize(
    "text",
    [
        "People shop there and",
        "People shop. The answer is",
        "People shop. The answer is (b",
        "People shop. The answer is (b) mall",
        "People shop.\ngo",
        "\\boxed{B",
        "",
    ],
)
def test_a_reply_cut_within_its_answer_is_truncated(finish, text):
    annotation = choose(text, finish=finish)
    assert (annotation.outcome, annotation.label) == ("truncated", None)


@pytest.mark.parametrize("text", ["The answer is 4", "The answer is 4.", "\n\n4", "\\boxed{4"])
def test_a_number_that_may_go_on_is_truncated(text):
    assert read("number", text, finish="length").outcome == "truncated"


@pytest.mark.parametrize(
    "text",
    [
        "People shop. The answer is (b) mall.",
        "People shop. The answer is (b) mall.\n\nQ: Where do",
        "People shop. The answer is (b) mall\n\nA park is",
        "People shop. $\\boxed{B}$",
    ],
)
def test_a_reply_cut_after_its_answer_is_read(text):
    annotation = choose(text, finish="length")
    assert annotation == Annotation("7", "ok", "People shop.", "mall")


def test_a_failed_call_is_no_reply():
    task = Task("", Wording("{{ q }}"), Answer("choice"))
    completion = Completion("The answer is (b).", error="HTTP 500: down")
    annotation = parse_completion(task, Example("7", "q", OPTIONS), completion)
    assert annotation == Annotation("7", "failed", problem="HTTP 500: down")


PIECES = [
    *("The answer is ", "Answer:", "So the answer is ", "####", "\\boxed{", "}", "<answer>", "\n"),
    *("(a)", "(b) mall", "park", "go home", "A", "B", " or ", " and ", "not ", "either ", "/"),
    *("42", "-", "−", "1,234", ".5", "=", "x", "6 * 7", "((", "))", "%", "$", "½", "²", "٤٢"),
    *("**", "*", "_", "`", "```\n", "~~", "<think>", "</think>", "</s>", "<|im_end|>", "\n\nQ:"),
    *("\\frac{1}{", "\\text{", "{", "é", "ß", "İ", "中文：", "\u200b", "\ud83d", "🙂", "\0", " "),
    *("9" * 400, "1/0", "9**9", "wait", "I can't", "\nQuestion 2:", ". ", "!", "'", "“", "\x85"),
]


@pytest.mark.parametrize("kind", ["choice", "number", "equation", "text"])
def test_no_text_whatever_raises(kind):
    random = Random(kind)
    outcomes = set()
    for _ in range(750):
        text = "".join(random.choices(PIECES, k=random.randint(0, 14)))
        text = text[random.randint(0, 3) : len(text) - random.randint(0, 3)]
        finish = random.choice(["stop", "length", ""])
        annotation = read(kind, text, OPTIONS if kind == "choice" else (), finish=finish)
        assert (annotation.label is None) == (annotation.outcome != "ok"), text
        assert bool(annotation.problem) == (annotation.outcome != "ok"), text
        if annotation.label is not None:
            answer = Answer(kind)
            assert answer.same(annotation.label, annotation.label), text
            assert answer.canonical(annotation.label, OPTIONS) == annotation.label, text
        outcomes.add(annotation.outcome)
    assert outcomes == {"ok", "unparsed", "truncated", "refused"}


@pytest.mark.parametrize(
    "text",
    [
        "**a " * 5_000,
        "<think>" * 5_000,
        "</think>" * 5_000,
        "the most " * 5_000,
        "Answer: B\n" * 2_000,
        "#### " * 5_000,
        "\\boxed{" * 5_000,
        "The answer is " + "park " * 5_000,
        "The answer is " + "1+" * 10_000,
        "The answer is 1" + ", and" * 5_000,
        "The answer is " + "=" * 20_000,
        "The answer is " + "\\frac{1}{2}" * 2_000,
        " " * 50_000,
    ],
    ids=lambda text: text[:18].strip() or "spaces",
)
def test_a_long_reply_is_read_fast(text):
    start = time.thread_time()
    for kind in ("choice", "number", "equation", "text"):
        read(kind, text, OPTIONS if kind == "choice" else ())
    assert time.thread_time() - start < 3
