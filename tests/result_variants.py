"""The study of ``results.py`` with something changed."""

from dataclasses import replace

from distilwhy.core.results import Breakdown, Results
from results import make_outcome_counts


def parse_few(results: Results) -> Results:
    """The same study with a teacher of whose answers 70 % could be parsed, and with no gold label
    on any validation row."""
    counts = make_outcome_counts(100, 70, 25, 3, 2, 0, 0.575)
    validation = replace(counts, score=None, parsed_score=None, without_gold=100)
    return replace(results, teacher={"train": counts, "validation": validation, "test": counts})


def open_answers(results: Results) -> Results:
    """The same study of a task whose answers are open."""
    pairs = [("84 / 2", "84 * 2", 31), ("(3 + 4) * 12", "3 + 4 * 12", 5), ("7", "8", 1)]
    names = dict.fromkeys(found.method for found in results.methods)
    found = [Breakdown(name, 1350, 120, 30, pairs) for name in names]
    return replace(results, confusions=[], breakdowns=found)


def add_student(results: Results, name: str) -> Results:
    """The same study with one student more, that does as well as the first."""
    first = results.of("")
    return replace(
        results,
        methods=[*results.methods, *(replace(m, student=name) for m in first.methods)],
        comparisons=[*results.comparisons, *(replace(v, student=name) for v in first.comparisons)],
        against_teacher=[
            *results.against_teacher,
            *(replace(v, student=name) for v in first.against_teacher),
        ],
        against_baselines=[
            *results.against_baselines,
            *(replace(v, student=name) for v in first.against_baselines),
        ],
        curves=[*results.curves, *(replace(c, student=name) for c in first.curves)],
        efficiency=[*results.efficiency, *(replace(e, student=name) for e in first.efficiency)],
    )
