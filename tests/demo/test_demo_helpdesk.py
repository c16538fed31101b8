from collections import Counter
from importlib import resources

import pytest
import yaml

from distilwhy.demo.helpdesk import ISSUES, PRODUCTS, TEAMS, generate_tickets, misread, solve

TICKETS = generate_tickets(1500, seed=3)


def read_task() -> dict:
    return yaml.safe_load(resources.files("distilwhy.demo").joinpath("helpdesk.yaml").read_text())


def test_the_same_seed_gives_the_same_tickets():
    assert generate_tickets(50, seed=3) == TICKETS[:50]
    assert generate_tickets(50, seed=4) != TICKETS[:50]


def test_no_two_tickets_share_an_id_or_a_message():
    assert len({ticket.id for ticket in TICKETS}) == 1500
    assert len({ticket.message for ticket in TICKETS}) == 1500
    assert not {t.id for t in TICKETS} & {t.id for t in generate_tickets(1500, seed=4)}


def test_every_message_is_solved_with_a_rationale_for_its_team():
    for ticket in TICKETS:
        rationale, team = solve(ticket.message)
        assert team == ticket.team
        assert rationale.endswith(f"goes to {team}.")
        assert 20 <= len(rationale.split()) <= 45


@pytest.mark.parametrize("choice", [0, 1, 7, 123456])
def test_misreading_a_message_gives_another_team(choice):
    for ticket in TICKETS[:400]:
        rationale, team = misread(ticket.message, choice)
        assert team != ticket.team
        assert team in TEAMS
        assert rationale.endswith(f"goes to {team}.")


def test_a_misreading_depends_on_the_choice_alone():
    message = TICKETS[0].message
    assert misread(message, 2) == misread(message, 2)
    assert len({misread(message, choice) for choice in range(10)}) > 3


def test_every_team_and_product_occurs_and_no_team_dominates():
    teams = Counter(ticket.team for ticket in TICKETS)
    assert set(teams) == set(TEAMS)
    assert max(teams.values()) < 0.2 * len(TICKETS)
    everything = " ".join(ticket.message for ticket in TICKETS)
    assert all(product in everything for names in PRODUCTS.values() for product in names)


def test_a_product_has_one_family_and_a_phrase_one_issue():
    products = [product for names in PRODUCTS.values() for product in names]
    phrases = [phrase for group in ISSUES.values() for phrase in group]
    assert len(products) == len(set(products))
    assert len(phrases) == len(set(phrases))


def test_the_product_with_the_issue_decides_among_several():
    product, other = PRODUCTS["router"][0], PRODUCTS["camera"][0]
    phrase = ISSUES["a power fault"][1]
    rationale, _ = solve(f"Our {other} works fine. My {product} {phrase}. My plan is Silver.")
    assert rationale.startswith(f"The {product} is a router. The customer reports a power fault.")


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("Hello. Our contract is Gold.", "no product with a known complaint"),
        (f"My {PRODUCTS['router'][0]} will not switch on.", "no contract"),
    ],
)
def test_a_message_without_a_product_or_contract_is_an_error(message, problem):
    with pytest.raises(ValueError, match=problem):
        solve(message)


def test_the_task_file_agrees_with_the_generator():
    task = read_task()
    assert task["answer"] == {"kind": "choice", "labels": list(TEAMS)}
    assert 4 <= len(task["exemplars"]) <= 6
    for exemplar in task["exemplars"]:
        assert solve(exemplar["message"]) == (exemplar["rationale"], exemplar["team"])
    instruction = " ".join(task["instruction"].split())
    assert all(team in instruction for team in TEAMS)
    for family, names in PRODUCTS.items():
        assert f"{family}: {', '.join(names)}" in instruction


def test_the_instruction_states_the_policy_of_the_generator():
    instruction = " ".join(read_task()["instruction"].split())
    for family, names in PRODUCTS.items():
        teams = [
            solve(f"My {names[0]} {phrases[0]}. Our contract is Bronze.")[1]
            for phrases in ISSUES.values()
        ]
        kinds = [issue.split(" ", 1)[1] for issue in ISSUES]
        rules = [f"{kind} → {team}" for kind, team in zip(kinds, teams, strict=True)]
        assert f"{family}: {'; '.join(rules)}" in instruction
