"""The report's summary in Markdown."""

from dataclasses import replace

from markdown_it import MarkdownIt

from distilwhy.report.summary import render_summary
from result_variants import add_student, parse_few
from results import THREE, make_results


def read_markdown(text):
    """The texts of a document's headings, and the number of cells of each row of its tables."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    headings = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "heading_open"]
    rows, cells = [], 0
    for token in tokens:
        cells += token.type in ("td_open", "th_open")
        if token.type == "tr_close":
            rows.append(cells)
            cells = 0
    return headings, rows


def test_the_summary_is_markdown_with_all_numbers():
    results = make_results()
    text = render_summary(results)
    headings, rows = read_markdown(text)
    assert headings == [
        results.name, "Comparisons", "Data efficiency", "When to trust it", "Costs", "Provenance",
    ]  # fmt: skip
    assert rows == [9] * (2 + len(results.baselines) + len(results.methods))
    assert all(paragraph in text for paragraph in results.headline.splitlines())
    assert "the student answers 812 rows per second, the teacher 6.4; 1,000 rows cost" in text
    for found in results.methods:
        assert f"{found.score.accuracy:.1%} | {found.score.low:.1%} to" in text
    assert text.count(" against ") == sum(
        map(len, (results.comparisons, results.against_teacher, results.against_baselines))
    )
    assert "after 5,910 rows" in text
    assert results.provenance.hashes["train"] in text


def test_the_summary_names_several_students():
    results = add_student(make_results(THREE), "minilm")
    text = render_summary(results)
    _, rows = read_markdown(text)
    assert rows == [10] * (2 + len(results.baselines) + len(results.methods))
    assert "| minilm | step-by-step | all 4,000 |" in text
    assert "minilm, on all 4,000 train rows:" in text
    assert "- minilm label-distill: Matches finetune on all rows with" in text


def test_a_name_with_markup_stays_in_the_heading():
    name = "a | b\n# c <script> *d* [e](f) `g`"
    text = render_summary(replace(make_results(THREE), name=name))
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert tokens[0].type == "heading_open"
    rendered = MarkdownIt("commonmark").render(text.split("\n\n")[0])
    assert rendered == "<h1>a | b # c &lt;script&gt; *d* [e](f) `g`</h1>\n"


def test_empty_sections_are_left_out():
    results = make_results(("finetune",), sizes=(1000,))
    results = replace(results, comparisons=[], teacher={}, deployments=[])
    results = replace(results, against_teacher=[], against_baselines=[], baselines=[])
    headings, rows = read_markdown(render_summary(results))
    assert headings == [results.name, "Costs", "Provenance"]
    assert rows == [9, 9]


def test_the_teacher_s_accuracy_is_told_over_the_parsed_rows_too():
    text = render_summary(parse_few(make_results(THREE)))
    assert "teacher: 82.1% of the 70.0% that could be parsed." in text
    assert "only 70.0% to train rows, " in text
