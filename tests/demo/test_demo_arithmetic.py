from importlib import resources

import pytest
import yaml

from distilwhy.core.parsing.numbers.expression import parse_equation
from distilwhy.demo.arithmetic import generate_problems, misread, solve

PROBLEMS = generate_problems(1500, seed=3)


def test_the_same_seed_gives_the_same_problems():
    assert generate_problems(50, seed=3) == PROBLEMS[:50]
    assert generate_problems(50, seed=4) != PROBLEMS[:50]


def test_no_two_problems_share_an_id_or_a_question():
    assert len({problem.id for problem in PROBLEMS}) == 1500
    assert len({problem.question for problem in PROBLEMS}) == 1500


def test_every_question_is_solved_with_its_equation():
    for problem in PROBLEMS:
        rationale, equation = solve(problem.question)
        assert equation == problem.equation
        assert len(rationale.split()) <= 45


def test_every_answer_is_a_positive_whole_number():
    for problem in PROBLEMS:
        value = parse_equation(problem.equation).value
        assert value > 0
        assert value.denominator == 1


@pytest.mark.parametrize("choice", [0, 1, 2, 99])
def test_a_misreading_has_another_value_and_another_rationale(choice):
    for problem in PROBLEMS[:500]:
        rationale, equation = misread(problem.question, choice)
        right, _ = solve(problem.question)
        assert parse_equation(equation).value != parse_equation(problem.equation).value
        assert rationale != right


def test_a_number_that_does_not_matter_is_left_out():
    idle = "The ceiling is 77 metres high."
    question = f"A hall measures 12 metres by 9 metres. {idle} How much carpet?"
    assert solve(question)[1] == "12 * 9"


def test_a_question_of_no_known_kind_is_an_error():
    with pytest.raises(ValueError, match="no carpet, share or change problem"):
        solve("How are you?")


def test_the_task_file_agrees_with_the_generator():
    text = resources.files("distilwhy.demo").joinpath("arithmetic.yaml").read_text()
    task = yaml.safe_load(text)
    assert task["answer"] == {"kind": "equation"}
    assert 4 <= len(task["exemplars"]) <= 6
    for exemplar in task["exemplars"]:
        assert solve(exemplar["question"]) == (exemplar["rationale"], exemplar["equation"])
