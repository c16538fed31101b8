"""When to trust a student: the charts of its confidence and of its cascade, and their numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import floor

import altair as alt

from distilwhy.core.results import Results
from distilwhy.core.stats.calibration import Calibration, Reliability
from distilwhy.core.stats.comparisons import TEACHER
from distilwhy.core.stats.deployment import DeploymentScore
from distilwhy.core.wording import counted, interval, percent
from distilwhy.report.charts import Chart, Sheet, finish, label_line

STUDENT, CASCADE = "student alone", "cascade"
BEFORE, AFTER = "as given", "calibrated"
# By name, the colour and the dash of a line.
_LINES = {STUDENT: ("teal", [1, 0]), CASCADE: ("orange", [1, 0]), TEACHER: ("muted", [2, 2])}
_POINTS = {BEFORE: "grey", AFTER: "teal"}
_LEGEND = alt.Legend(orient="top", title=None, symbolOpacity=1, columnPadding=14, offset=28)

Record = dict[str, object]


@dataclass(frozen=True)
class TrustRow:
    """How far one method can be trusted, in words; "" if unknown."""

    method: str
    before: str
    after: str
    share: str
    alone: str
    interval: str


def trust_rows(results: Results) -> list[TrustRow]:
    """Calibration errors and cascades of the first student's methods."""
    return [_trust_row(one) for one in results.deployments]


def share_records(found: DeploymentScore) -> list[Record]:
    """Accuracy by the share that the student answers alone: of each one who answers."""
    records = list[Record]()
    for point in found.curve:
        accuracies = {STUDENT: point.alone, CASCADE: point.cascade, TEACHER: found.teacher}
        records += [
            {"who": who, "share": point.share, "accuracy": accuracy}
            for who, accuracy in accuracies.items()
            if accuracy is not None
        ]
    return records


def reliability_records(found: DeploymentScore) -> list[Record]:
    """The bins of test rows before and after calibration."""
    both = {BEFORE: found.before, AFTER: found.after}
    return [
        {"which": which, "confidence": one.confidence, "accuracy": one.accuracy, "rows": one.rows}
        for which, reliability in both.items()
        for one in reliability.bins
    ]


def share_chart(found: DeploymentScore, sheet: Sheet) -> Chart:
    """Share answered alone against accuracy, with the share and the target of the cascade."""
    records = [one | {"label": _say_share(one)} for one in share_records(found)]
    present = [who for who in _LINES if any(one["who"] == who for one in records)]
    colours = [sheet.colours[_LINES[who][0]] for who in present]
    x = alt.X("share:Q", title="Share answered by the student").scale(domain=[0, 1])
    y = alt.Y("accuracy:Q", title="Accuracy").scale(zero=False).axis(format="%", tickCount=6)
    lines = (
        alt.Chart(alt.InlineData(values=records))
        .mark_line(point=alt.OverlayMarkDef(size=16))
        .encode(
            x.axis(format="%", tickCount=5, grid=False),
            y,
            alt.Color("who:N", legend=_LEGEND).scale(domain=present, range=colours),
            alt.StrokeDash("who:N", legend=None).scale(
                domain=present, range=[_LINES[who][1] for who in present]
            ),
            alt.Description("label:N"),
        )
    )
    return finish(alt.layer(*_cascade_marks(found, sheet), lines), sheet, _height(sheet), "100%")


def reliability_chart(found: DeploymentScore, sheet: Sheet) -> Chart:
    """Confidence against accuracy in bins of test rows; on the diagonal both are the same."""
    records = [one | {"label": _say_bin(one)} for one in reliability_records(found)]
    bins = [*found.before.bins, *found.after.bins]
    least = min(value for one in bins for value in (one.confidence, one.accuracy))
    scale = alt.Scale(domain=[max(0.0, floor(20 * least) / 20), 1], zero=False)
    x = alt.X("confidence:Q", title="Confidence").scale(scale)
    y = alt.Y("accuracy:Q", title="Accuracy").scale(scale).axis(format="%", tickCount=5)
    along, up = alt.X("at:Q").scale(scale), alt.Y("at:Q").scale(scale)
    ends = alt.InlineData(values=[{"at": end} for end in scale.domain])
    diagonal = alt.Chart(ends).mark_line(color=sheet.colours["muted"], strokeDash=[2, 2])
    colour = alt.Color("which:N", legend=_LEGEND).scale(
        domain=list(_POINTS), range=[sheet.colours[name] for name in _POINTS.values()]
    )
    points = (
        alt.Chart(alt.InlineData(values=records))
        .mark_point(filled=True, opacity=1)
        .encode(x.axis(format="%", tickCount=5, grid=False), y, colour, alt.Description("label:N"))
    )
    layers = [diagonal.encode(along, up), points]
    return finish(alt.layer(*layers), sheet, _height(sheet), "100%")


def trust_figures(results: Results) -> Iterator[tuple[str, Chart, list[Record]]]:
    """The name of each figure of the deployed student, its chart, and its values."""
    found = results.deployed
    if found is not None:
        sheet = Sheet(title=f"{results.name}: {found.method}, share answered alone")
        yield "cascade", share_chart(found, sheet), share_records(found)
        sheet = replace(sheet, title=f"{results.name}: {found.method}, confidence")
        yield "confidence", reliability_chart(found, sheet), reliability_records(found)


def calibration_words(found: DeploymentScore | None) -> str:
    """The calibration error of a student before and after; "" for none."""
    if found is None:
        return ""
    calibration = found.deployment.calibration
    if calibration.is_identity:
        return (
            f"Expected calibration error of {found.method} on test: {_points(found.before)} "
            f"points. Its confidences are used as given, since on "
            f"{counted(calibration.rows, 'validation row')} no calibration fits better."
        )
    return (
        f"Expected calibration error of {found.method} on test: {_points(found.before)} points as "
        f"given, {_points(found.after)} after {_kind(calibration)} on "
        f"{counted(calibration.rows, 'validation row')}."
    )


def _trust_row(found: DeploymentScore) -> TrustRow:
    alone = found.alone
    return TrustRow(
        method=found.method,
        before=_points(found.before),
        after=_points(found.after),
        share="" if found.share is None else percent(found.share),
        alone=percent(alone.accuracy) if alone else "",
        interval=interval(alone.low, alone.high) if alone else "",
    )


def _cascade_marks(found: DeploymentScore, sheet: Sheet) -> list[alt.Chart]:
    """A line at the share that the student answers alone, and one at the target."""
    cascade = found.deployment.cascade
    if cascade is None:
        return []
    line = alt.Chart().mark_rule(color=sheet.colours["rule"], strokeWidth=1.5)
    at, words = alt.YDatum(cascade.target), f"target {percent(cascade.target)}"
    marks = [line.encode(at), *label_line(at, words, sheet)]
    return marks if found.share is None else [line.encode(alt.XDatum(found.share)), *marks]


def _say_share(record: Record) -> str:
    return f"{record['who']}: {record['accuracy']:.1%} with {record['share']:.0%} answered alone"


def _say_bin(record: Record) -> str:
    return (
        f"{record['which']}: confidence {record['confidence']:.1%}, accuracy "
        f"{record['accuracy']:.1%}, {record['rows']:,} rows"
    )


def _kind(calibration: Calibration) -> str:
    is_temperature = calibration.kind == "temperature"
    return "temperature scaling" if is_temperature else "isotonic regression"


def _points(reliability: Reliability) -> str:
    return f"{100 * reliability.error:.1f}"


def _height(sheet: Sheet) -> int:
    return 180 + sheet.width // 5
