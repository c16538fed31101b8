"""The charts of a report as files: PNG, SVG, and CSV with the same values."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import StringIO

from distilwhy.core.results import Results
from distilwhy.core.stats.comparisons import MethodComparison
from distilwhy.report.charts import (
    Chart,
    Sheet,
    accuracy_chart,
    curve_chart,
    difference_chart,
    draw_png,
    draw_svg,
)
from distilwhy.report.marks import Mark, accuracy_marks, curve_marks, on_most_rows, teacher_score


@dataclass(frozen=True)
class Figure:
    """A chart, with its values as rows of a table."""

    name: str
    chart: Chart
    records: Sequence[Mapping[str, object]]


def draw_figures(results: Results) -> Iterator[tuple[str, bytes]]:
    """File names and contents of each figure, as PNG, SVG and CSV.

    ``curve`` if the study has several numbers of train rows, ``accuracy`` on the most rows, and
    ``differences`` if methods were compared. A named student has its own, such as
    ``curve-small``.
    """
    for figure in (f for student in results.students for f in _figures(results, student)):
        yield f"{figure.name}.png", draw_png(figure.chart)
        yield f"{figure.name}.svg", draw_svg(figure.chart).encode()
        yield f"{figure.name}.csv", _csv(figure.records).encode()


def _figures(whole: Results, student: str) -> list[Figure]:
    results, teacher = whole.of(student), teacher_score(whole)
    ending = f"-{student}" if student else ""
    name = ", ".join(part for part in (whole.name, whole.call(student)) if part)
    accuracies = accuracy_marks(on_most_rows(results.methods), teacher)
    title = f"{name}: accuracy"
    figures = []
    if results.curves:
        marks = curve_marks(results.curves)
        chart = curve_chart(marks, teacher, Sheet(title=title))
        figures.append(Figure(f"curve{ending}", chart, [_mark_record(mark) for mark in marks]))
    if accuracies:
        chart = accuracy_chart(accuracies, Sheet(title=title))
        figures.append(
            Figure(f"accuracy{ending}", chart, [_mark_record(mark) for mark in accuracies])
        )
    if results.comparisons:
        chart = difference_chart(results.comparisons, Sheet(title=f"{name}: comparisons"))
        records = [_comparison_record(one) for one in results.comparisons]
        figures.append(Figure(f"differences{ending}", chart, records))
    return figures


def _mark_record(mark: Mark) -> dict[str, object]:
    return {name: value for name, value in asdict(mark).items() if name != "said"}


def _comparison_record(compared: MethodComparison) -> dict[str, object]:
    return {
        "method": compared.method,
        "baseline": compared.baseline,
        "rows": compared.rows,
        **asdict(compared.comparison),
        "verdict": compared.comparison.verdict,
    }


def _csv(records: Sequence[Mapping[str, object]]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()
