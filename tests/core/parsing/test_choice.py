"""Which choice a reply states. A wrong reading is worse than none."""

import pytest

from distilwhy.core.parsing.completion import Annotation
from reading import OPTIONS, choose, read


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
        "The answer is option b.",
        "The answer is letter b",
        "The correct answer is (b).",
        "The final answer is (b).",
        "The best answer is (b).",
        "The most likely answer is (b).",
        "My answer is (b).",
        "The answer to this question is (b) mall.",
        "The answer choice for this question is (b) mall.",
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
        "Answer: B",
        "Answer (one letter): B",
        "Answer: (b) mall",
        "Answer = (b)",
        "ANSWER: B",
        "Ans: b",
        "Final answer: B",
        "Correct Answer: B",
        "**Answer:** B",
        "**Answer: B. mall**",
        "So (b).",
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
        "The answer is (b)\u00a0mall.",
    ],
)
def test_a_choice_is_read_however_it_is_put(text):
    assert choose(text) == Annotation("7", "ok", "", "mall")
    reasons = "People shop. In a park, they do not."
    assert choose(f"{reasons}\n\n{text}") == Annotation("7", "ok", reasons, "mall")


@pytest.mark.parametrize(
    ("text", "rationale"),
    [
        ("The answer is mall, since a park has no shops.", "since a park has no shops."),
        ("The answer is B because park is too small.", "because park is too small."),
        ("(b) while a park has no shops.", "while a park has no shops."),
        ("(b) unlike one for cars.", "unlike one for cars."),
        ("The answer is (b) mall. (a) park has no shops.", "(a) park has no shops."),
        ("Answer: B\n\nExplanation: a park has no shops.", "a park has no shops."),
        ("(b) mall\n\nA park has no shops.", "A park has no shops."),
        ("B. mall, because a park has no shops.", "because a park has no shops."),
        ("**(b) mall**\n\nReasoning: a park has no shops.", "a park has no shops."),
        ("Mall. A park has no shops.", "A park has no shops."),
    ],
)
def test_reasons_may_follow_the_answer(text, rationale):
    assert choose(text) == Annotation("7", "ok", rationale, "mall")


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
        ("The answer is neither park.", "negation"),
        ("The answer is hardly park.", "negation"),
        ("The answer is park for walks and mall for shops.", "more than one choice"),
        ("The answer is none of the above.", "negation"),
        ("The answer is anything except park.", "negation"),
        ("The answer is that park is not it.", "negation"),
        ("The answer is park is wrong.", "negation"),
        ("The answer is unclear, though a park is one place.", "negation"),
        ("I don't think the answer is park.", "only supposed"),
        ("I'm not sure that the answer is park.", "only supposed"),
        ("If the answer is park, people walk there.", "only supposed"),
        ("If so, the answer must be park.", "only supposed"),
        ("The answer is (f) zoo.", "none of the choices"),
        ("The answer is F.", "none of the choices"),
        ("The answer is one of these four.", "none of the choices"),
        ("The answer is park-like.", "none of the choices"),
        ("The answer is a non-park.", "none of the choices"),
        ("The answer is a place to go.", "only mentions"),
        ("The answer is what people call a park.", "only mentions"),
        ("The answer is clear. The park is big.", "none of the choices"),
        ("The answer must be a place.", "no answer is stated"),
        ("The answer isn't park.", "no answer is stated"),
        ("Let us see.\n(a) park: too small\n(b) mall: it has shops", "no answer is stated"),
        ("d. office is wrong", "no answer is stated"),
        ("The answer is", "ends before its answer"),
        ("So the answer is ", "ends before its answer"),
        ("**Answer:**", "ends before its answer"),
        ("Answer:\n\nExplanation: the mall has shops.", "only mentions"),
        ("\\boxed{", "ends before its answer"),
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
        (NLI, "The answer is B.", "neutral"),
        (NLI, "neutral because it does not say.", "neutral"),
        (("entailment", "not_entailment"), "The answer is not_entailment.", "not_entailment"),
        (("entailment", "not_entailment"), "The answer is not entailment.", "not_entailment"),
        (("spam", "not spam"), "The answer is not spam.", "not spam"),
        (("A", "B", "C"), "The answer is B", "B"),
        (("A", "B", "C"), "The answer is (c).", "C"),
        (("A", "B", "C"), "The answer is that a dog barks.", None),
        (("A", "B", "C"), "The answer is A dog barks.", None),
        (("1", "2", "3"), "The answer is 2.", "2"),
        (("1", "2", "3"), "The answer is 2 out of 3.", "2"),
        (("yes", "no"), "The answer is yes, because no one objects.", "yes"),
        (("true", "false"), "The answer is not true.", None),
    ],
)
def test_fixed_labels(labels, text, label):
    annotation = read("choice", text, labels=labels)
    assert annotation.label == label
    assert annotation.outcome == ("ok" if label else "unparsed")


@pytest.mark.parametrize(
    ("said", "choice"),
    [("park", "park"), ("the park", "the park"), ("The Park", None), ("May", "May"), ("MAY", None)],
)
def test_choices_that_are_alike_are_told_apart_to_the_letter(said: str, choice: str | None):
    options = ("park", "the park", "May", "may")
    assert read("choice", f"So the answer is {said}.", options).label == choice


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("B it is.", "mall"),
        ("One shops there. So mall it is.", "mall"),
        ("This looks like the mall: one shops there.", "mall"),
        ('They were told: "So it is the park." Nobody knows.', None),
        ('I would therefore call it a "park".', "park"),
    ],
)
def test_a_sentence_states_what_it_does_not_quote(reply, label):
    assert choose(reply).label == label
