"""The report's figures, for slides and for tables."""

import csv
import struct
from collections import Counter
from dataclasses import replace

from distilwhy.report.figures import draw_figures
from results import (
    THREE,
    add_student,
    make_results,
)


def read_table(content):
    return list(csv.DictReader(content.decode().splitlines()))


def test_figures_are_drawn_for_slides_and_for_tables():
    results = make_results()
    files = dict(draw_figures(results))
    names = [
        f"{name}.{end}"
        for name in ("curve", "accuracy", "differences")
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


def test_every_named_student_has_figures_of_its_own():
    results = add_student(make_results(THREE, sizes=(1000,)), "minilm")
    names = [name for name, _ in draw_figures(results) if name.endswith(".csv")]
    assert names == [
        "accuracy.csv", "differences.csv", "accuracy-minilm.csv", "differences-minilm.csv",
    ]  # fmt: skip


def test_figures_without_a_study():
    results = replace(make_results(THREE, sizes=(1000,)), comparisons=[])
    assert [name for name, _ in draw_figures(results)] == [
        "accuracy.png", "accuracy.svg", "accuracy.csv",
    ]  # fmt: skip
