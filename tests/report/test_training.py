"""Accuracy during training, on the page and in the summary."""

from distilwhy.report.page import render_page
from distilwhy.report.summary import render_summary
from page_text import Page, squeeze
from result_variants import add_student
from results import THREE, add_training, make_results

RISING = "Had not converged: step-by-step. Accuracy on validation was still rising"


def test_the_page_draws_training_over_steps_and_over_tokens_and_says_who_had_not_converged():
    page = Page(render_page(add_training(make_results(THREE, sizes=(1000,))), []))
    training = squeeze(page.sections["training"])
    assert "Accuracy on validation" in training
    assert "Step" in training
    assert "Tokens read and written in training" in training
    assert RISING in training
    assert RISING in squeeze(page.sections["scores"])
    labels = [value for _, name, value in page.attributes if name == "aria-label"]
    assert any("at step 400, 8.00 k tokens" in (label or "") for label in labels)


def test_each_student_of_a_study_has_its_own_charts():
    results = add_training(add_student(make_results(THREE, sizes=(1000,)), "minilm"))
    page = Page(render_page(results, []))
    training = squeeze(page.sections["training"])
    assert training.index("main") < training.index("minilm")
    assert "Had not converged: main step-by-step and minilm step-by-step." in training


def test_the_summary_has_accuracy_by_step():
    text = render_summary(add_training(make_results(THREE, sizes=(1000,))))
    assert RISING in text
    head = next(line for line in text.splitlines() if line.startswith("| Method | Step"))
    assert head.count("Step") == 8
    assert head.endswith("| Step 800 |")


def test_with_several_numbers_of_rows_each_that_had_not_converged_is_named():
    text = render_summary(add_training(make_results(THREE, sizes=(500, 1000))))
    assert "step-by-step on 500 train rows and step-by-step on all train rows" in text


def test_results_of_older_versions_have_no_section_on_training():
    page = Page(render_page(make_results(THREE, sizes=(1000,)), []))
    assert "training" not in page.sections
