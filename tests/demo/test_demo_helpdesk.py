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


def test_every_message_is_read_as_its_team_with_reasons():
    for ticket in TICKETS:
        rationale, team = solve(ticket.message)
        assert team == ticket.team
        assert rationale.endswith(f"goes to {team}.")
        assert 20 <= len(rationale.split()) <= 45


@pytest.mark.parametrize("choice", [0, 1, 7, 123456])
def test_a_misreading_argues_for_another_team(choice):
    for ticket in TICKETS[:400]:
        rationale, team = misread(ticket.message, choice)
        assert team != ticket.team
        assert team in TEAMS
        assert rationale.endswith(f"goes to {team}.")


def test_a_misreading_changes_with_the_choice_only():
    message = TICKETS[0].message
    assert misread(message, 2) == misread(message, 2)
    assert len({misread(message, choice) for choice in range(10)}) > 3


def test_every_team_and_product_is_met_and_none_dominates():
    teams = Counter(ticket.team for ticket in TICKETS)
    assert set(teams) == set(TEAMS)
    assert max(teams.values()) < 0.2 * len(TICKETS)
    everything = " ".join(ticket.message for ticket in TICKETS)
    assert all(product in everything for names in PRODUCTS.values() for product in names)


def test_products_and_phrases_are_of_one_kind_only():
    products = [product for names in PRODUCTS.values() for product in names]
    phrases = [phrase for group in ISSUES.values() for phrase in group]
    assert len(products) == len(set(products))
    assert len(phrases) == len(set(phrases))


def test_only_a_product_that_is_complained_of_counts():
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
def test_a_message_that_cannot_be_read_is_an_error(message, problem):
    with pytest.raises(ValueError, match=problem):
        solve(message)


def test_the_task_file_agrees_with_the_generator():
    task = read_task()
    assert task["answer"] == {"kind": "choice", "labels": list(TEAMS)}
    assert 4 <= len(task["exemplars"]) <= 6
    for exemplar in task["exemplars"]:
        assert solve(exemplar["message"]) == (exemplar["rationale"], exemplar["team"])
    told = " ".join(task["instruction"].split())
    assert all(team in told for team in TEAMS)
    for family, names in PRODUCTS.items():
        assert f"{family}: {', '.join(names)}" in told


def test_the_policy_that_the_teacher_is_told_is_the_one_in_force():
    told = " ".join(read_task()["instruction"].split())
    for family, names in PRODUCTS.items():
        teams = [
            solve(f"My {names[0]} {phrases[0]}. Our contract is Bronze.")[1]
            for phrases in ISSUES.values()
        ]
        kinds = [issue.split(" ", 1)[1] for issue in ISSUES]
        rules = [f"{kind} → {team}" for kind, team in zip(kinds, teams, strict=True)]
        assert f"{family}: {'; '.join(rules)}" in told
