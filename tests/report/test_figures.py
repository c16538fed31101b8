"""The report's figures, for slides and for tables."""

import csv
import struct
from collections import Counter
from dataclasses import replace

from distilwhy.report.figures import draw_figures
from result_variants import add_student
from results import THREE, add_training, make_results


def read_table(content):
    return list(csv.DictReader(content.decode().splitlines()))


def test_each_figure_is_written_as_png_svg_and_csv():
    results = make_results()
    files = dict(draw_figures(results))
    names = [
        f"{name}.{end}"
        for name in ("curve", "accuracy", "differences", "cascade", "confidence")
        for end in ("png", "svg", "csv")
    ]
    assert list(files) == names
    for name, content in files.items():
        if name.endswith(".png"):
            assert struct.unpack(">II", content[16:24])[0] > 1000
        if name.endswith(".svg"):
            assert b"var(--" not in content
    rows = read_table(files["differences.csv"])
    assert len(rows) == len(results.comparisons)
    assert float(rows[0]["difference"]) == results.comparisons[0].comparison.difference
    kinds = Counter(row["kind"] for row in read_table(files["curve.csv"]))
    assert kinds["measured"] == 27
    assert kinds["fitted"] > kinds["beyond"] > 27


def test_a_named_student_has_its_own_figures():
    results = add_student(make_results(THREE, sizes=(1000,)), "minilm")
    names = [name for name, _ in draw_figures(results) if name.endswith(".csv")]
    assert names == [
        "accuracy.csv", "differences.csv", "accuracy-minilm.csv", "differences-minilm.csv",
        "cascade.csv", "confidence.csv",
    ]  # fmt: skip


def test_without_comparisons_and_confidences_there_are_only_accuracies():
    results = replace(make_results(THREE, sizes=(1000,)), comparisons=[], deployments=[])
    assert [name for name, _ in draw_figures(results)] == [
        "accuracy.png", "accuracy.svg", "accuracy.csv",
    ]  # fmt: skip


def test_accuracy_during_training_is_drawn_over_steps_and_over_tokens():
    files = dict(draw_figures(add_training(make_results(THREE, sizes=(1000,)))))
    assert {"training.svg", "training.png", "training-tokens.svg"} <= set(files)
    rows = read_table(files["training-tokens.csv"])
    last = {row["method"]: row for row in rows}
    assert len(rows) == 3 * 8
    assert {name: (row["step"], row["tokens"]) for name, row in last.items()} == {
        "finetune": ("800", "8000"),
        "label-distill": ("800", "8000"),
        "step-by-step": ("800", "16000"),
    }


def test_tokens_that_an_older_version_did_not_count_are_not_drawn():
    files = dict(draw_figures(add_training(make_results(THREE, sizes=(1000,)), tokens=0)))
    assert "training.svg" in files
    assert "training-tokens.svg" not in files
