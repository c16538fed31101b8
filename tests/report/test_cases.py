"""Test rows, packed for the page's script."""

import json
from dataclasses import replace

from distilwhy.report.page import CHUNK, pack_cases, render_page
from page_text import Page
from results import THREE, make_cases, make_results


def test_half_a_surrogate_pair_is_replaced():
    case = replace(next(make_cases(1)), text="half \ud83c of it")
    page = render_page(make_results(THREE, sizes=(1000,)), [case])
    assert "half ? of it" in page.encode().decode()


def test_long_texts_are_kept_whole():
    long = "word " * 50_000
    case = replace(next(make_cases(1)), text=long, teacher_rationale=long)
    results = replace(make_results(THREE), name="x" * 500, headline="Because. " * 300)
    page = Page(render_page(results, [case]))
    assert page.rows[0][1] == long


def test_the_rows_are_about_the_first_student():
    results = make_results(("finetune", "step-by-step"))
    others = replace(make_results(("label-distill",)), teacher=results.teacher)
    more = [replace(found, student="small") for found in others.methods]
    page = Page(render_page(replace(results, methods=[*results.methods, *more]), []))
    assert json.loads(page.scripts[0])["who"] == ["finetune", "step-by-step", "teacher"]


def test_a_teacher_that_was_not_asked_gave_no_answer():
    case = next(make_cases(1, THREE))
    unasked = replace(case, teacher=None, right={name: case.right[name] for name in THREE})
    [packed] = pack_cases([unasked], [*THREE, "teacher"])
    assert not [said for said in json.loads(packed)[0][4] if 3 in said[2]]


def test_each_distinct_answer_is_packed_once():
    case = replace(
        next(make_cases(1, THREE)),
        gold="a", teacher=None,
        answers={"finetune": "a", "label-distill": "b", "step-by-step": "a"},
        right={"finetune": True, "label-distill": False, "step-by-step": True, "teacher": False},
    )  # fmt: skip
    [packed] = pack_cases([case], [*THREE, "teacher"])
    said = json.loads(packed)[0][4]
    assert said == [[None, 0, [3]], ["a", 1, [0, 2]], ["b", 0, [1]]]
    [untaught] = pack_cases([case], THREE)
    assert json.loads(untaught)[0][4] == [["a", 1, [0, 2]], ["b", 0, [1]]]


def test_rows_come_in_chunks_in_their_order():
    chunks = list(pack_cases(make_cases(CHUNK + 5), ["finetune"]))
    assert [len(json.loads(chunk)) for chunk in chunks] == [CHUNK, 5]
    assert json.loads(chunks[1])[0][0] == f"ticket-3-{CHUNK:06d}"
