"""The charts of a report as files: PNG, SVG, and CSV with the same values."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
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
    list_axes,
    training_chart,
)
from distilwhy.report.marks import (
    Mark,
    TrainingMark,
    accuracy_marks,
    curve_marks,
    on_most_rows,
    teacher_score,
    training_marks,
)
from distilwhy.report.trust import trust_figures


def draw_figures(results: Results) -> Iterator[tuple[str, bytes]]:
    """File names and contents of each figure, as PNG, SVG and CSV.

    ``curve`` if the study has several numbers of train rows, ``accuracy`` on the most rows,
    ``training`` and ``training-tokens``, accuracy on validation by step and by tokens, and
    ``differences`` if methods were compared. A named student has its own, such as
    ``curve-small``. ``cascade`` and ``confidence`` are of the student to deploy.
    """
    for student in results.students:
        for name, chart, records in _figures(results, student):
            yield f"{name}.png", draw_png(chart)
            yield f"{name}.svg", draw_svg(chart).encode()
            yield f"{name}.csv", _csv(records).encode()
    for name, chart, records in trust_figures(results):
        yield f"{name}.png", draw_png(chart)
        yield f"{name}.svg", draw_svg(chart).encode()
        yield f"{name}.csv", _csv(records).encode()


def _figures(whole: Results, student: str) -> Iterator[tuple[str, Chart, list[dict[str, object]]]]:
    """The name of each figure of a student, its chart, and its values as rows of a table."""
    results, teacher = whole.of(student), teacher_score(whole)
    ending = f"-{student}" if student else ""
    name = ", ".join(part for part in (whole.name, whole.call(student)) if part)
    sheet = Sheet(title=f"{name}: accuracy")
    if results.curves:
        marks = curve_marks(results.curves)
        yield f"curve{ending}", curve_chart(marks, teacher, sheet), _mark_records(marks)
    if marks := accuracy_marks(on_most_rows(results.methods), teacher):
        yield f"accuracy{ending}", accuracy_chart(marks, sheet), _mark_records(marks)
    if training := training_marks(on_most_rows(results.methods)):
        sheet = Sheet(title=f"{name}: training")
        for over in list_axes(training):
            figure = "training" if over == "step" else f"training-{over}"
            records = _mark_records(training)
            yield f"{figure}{ending}", training_chart(training, over, sheet), records
    if results.comparisons:
        chart = difference_chart(results.comparisons, Sheet(title=f"{name}: comparisons"))
        records = [_comparison_record(one) for one in results.comparisons]
        yield f"differences{ending}", chart, records


def _mark_records(marks: Sequence[Mark | TrainingMark]) -> list[dict[str, object]]:
    records = [asdict(mark) for mark in marks]
    for record in records:
        del record["said"]
    return records


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
