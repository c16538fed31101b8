"""The charts of a report, by Altair: accuracy over train rows, accuracies, differences.

Each mark has a description, ``METHOD: words``, which the page shows as a tooltip. Colours are
names of the palette; the page fills them in through CSS variables.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import altair as alt
import vl_convert

from distilwhy.core.stats.comparisons import TEACHER, MethodComparison
from distilwhy.core.stats.scores import NO_DIFFERENCE, NO_VERDICT, Score
from distilwhy.core.wording import counted_train_rows, percent
from distilwhy.report.marks import Mark, TrainingMark
from distilwhy.report.palette import LIGHT, Look, look

Chart = alt.LayerChart | alt.FacetChart
IN_PAGE = {name: f"var(--{name})" for name in LIGHT}
FONT = "'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
BAND, QUIET = 0.12, 0.5
ASIDE = 0.009
ROW_HEIGHT = 26
# Pixels for each character of a label, beyond those of the font it was laid out with.
WIDER_FONT = 1.5
VERDICTS = {"helped": "teal", "hurt": "rose", NO_DIFFERENCE: "muted", NO_VERDICT: "grey"}
Over = Literal["step", "tokens"]
OVER: dict[Over, str] = {"step": "Step", "tokens": "Tokens read and written in training"}
_SAID = alt.Description("label:N")
_DASHES = alt.Scale(domain=[False, True], range=[[1, 0], [5, 3]])


@dataclass(frozen=True)
class Sheet:
    """What a chart is drawn on.

    Attributes:
        width: Of the plot itself, in pixels.
        title: For a chart outside the page, which then has its own legend and background.
        extent: The lowest and highest accuracy on the axis, for charts that are compared.
    """

    colours: Mapping[str, str] = field(default_factory=lambda: LIGHT)
    width: int = 640
    title: str = ""
    extent: tuple[float, float] | None = None


def draw_svg(chart: Chart) -> str:
    return str(vl_convert.vegalite_to_svg(chart.to_dict(validate=False)))


def draw_png(chart: Chart) -> bytes:
    return bytes(vl_convert.vegalite_to_png(chart.to_dict(validate=False), scale=2))


def curve_chart(marks: Sequence[Mark], teacher: Score | None, sheet: Sheet) -> Chart:
    """Accuracy over train rows: measured points, fitted curves, and a line for the teacher."""
    sizes = sorted({mark.rows for mark in marks if mark.kind == "measured" and mark.rows})
    most = max(mark.rows or 0 for mark in marks)
    x = alt.X("rows:Q", title="Train rows").scale(type="log", nice=False, padding=14)
    at_sizes = sorted({*sizes, most})
    x = x.axis(values=at_sizes, format=",d", grid=False, labelOverlap="greedy", labelSeparation=8)
    y = alt.Y("accuracy:Q", title="Accuracy").scale(_accuracies(sheet))
    y = y.axis(format="%", tickCount=6, grid=True)
    low, high = alt.Y("low:Q"), alt.Y2("high")
    fitted, beyond = _data(marks, "fitted"), _data(marks, "beyond")
    measured = alt.InlineData(values=_dodge(marks, most / sizes[0]))
    colour, lead = _colour(marks, sheet).legend(None), _strength(1, QUIET)
    areas = [
        alt.Chart(data).mark_area().encode(x, low, high, colour, _SAID, opacity=_strength(band, 0))
        for data, band in ((fitted, BAND), (beyond, BAND / 2))
    ]
    dash = alt.StrokeDash("control:N", legend=None, scale=_DASHES)
    lines = [
        alt.Chart(fitted).mark_line().encode(x, y, colour, _SAID, dash, opacity=lead),
        alt.Chart(beyond).mark_line(strokeDash=[1, 4]).encode(x, y, colour, _SAID, opacity=lead),
    ]
    at = alt.X("at:Q")
    reach = alt.Chart(measured).mark_rule().encode(at, low, high, colour, _SAID)
    points = _points(measured, marks, sheet).encode(at, y, opacity=lead)
    beside = _teacher_lines(teacher.accuracy, sheet) if teacher else []
    layers = [*beside, *areas, *lines, reach.encode(opacity=_strength(1, 0)), points]
    return finish(alt.layer(*layers), sheet, 180 + sheet.width // 4, "100%")


def accuracy_chart(marks: Sequence[Mark], sheet: Sheet) -> Chart:
    """The accuracy of each method with its interval and seeds, and that of the teacher."""
    names = list(_looks(marks))
    y = alt.Y("method:N", title=None, sort=names).axis(ticks=False, domain=False, offset=6)
    x = alt.X("accuracy:Q", title="Accuracy").scale(_accuracies(sheet))
    x = x.axis(format="%", tickCount=5)
    low, high = alt.X("low:Q"), alt.X2("high")
    measured, seeds = _data(marks, "measured"), _data(marks, "seed")
    colour = _colour(marks, sheet).legend(None)
    layers = [
        alt.Chart(measured).mark_rule(strokeWidth=2).encode(low, high, y, colour, _SAID),
        alt.Chart(seeds).mark_tick(thickness=1, height=9).encode(x, y, colour),
        _points(measured, marks, Sheet(sheet.colours)).encode(x, y),
    ]
    return finish(alt.layer(*layers), sheet, ROW_HEIGHT * len(names), max(names, key=len))


def training_chart(marks: Sequence[TrainingMark], over: Over, sheet: Sheet) -> Chart:
    """Accuracy on validation during training, over steps or over tokens."""
    data = alt.InlineData(values=[_record(mark) for mark in marks])
    x = alt.X(f"{over}:Q", title=OVER[over]).scale(zero=True, nice=False, padding=14)
    x = x.axis(format="~s", tickCount=5, grid=False)
    y = alt.Y("accuracy:Q", title="Accuracy on validation").scale(_accuracies(sheet))
    y = y.axis(format="%", tickCount=6, grid=True)
    colour, lead = _colour(marks, sheet).legend(None), _strength(1, QUIET)
    dash = alt.StrokeDash("control:N", legend=None, scale=_DASHES)
    lines = alt.Chart(data).mark_line().encode(x, y, colour, _SAID, dash, opacity=lead)
    points = _points(data, marks, sheet).encode(x, y, opacity=lead)
    return finish(alt.layer(lines, points), sheet, 120 + sheet.width // 4, "100%")


def list_axes(marks: Sequence[TrainingMark]) -> list[Over]:
    """What training can be drawn over: tokens only if all were counted."""
    return ["step", "tokens"] if all(mark.tokens for mark in marks) else ["step"]


def difference_chart(comparisons: Sequence[MethodComparison], sheet: Sheet) -> Chart:
    """The difference of every comparison with its interval, by number of train rows."""
    data = alt.InlineData(values=[_difference(one) for one in comparisons])
    y = alt.Y("pair:N", title=None, sort=None).axis(ticks=False, domain=False, offset=6)
    low = alt.X("low:Q", title="Difference in accuracy, points")
    verdicts = {one.comparison.verdict for one in comparisons}
    occurring = [verdict for verdict in VERDICTS if verdict in verdicts]
    colours = [sheet.colours[VERDICTS[verdict]] for verdict in occurring]
    colour = alt.Color("verdict:N", legend=alt.Legend(title=None))
    bar = alt.Chart().encode(y, colour.scale(domain=occurring, range=colours))
    layers = [
        alt.Chart().mark_rule(color=sheet.colours["ink"]).encode(alt.XDatum(0)),
        bar.mark_rule(strokeWidth=2).encode(low, alt.X2("high")),
        bar.mark_point(filled=True, opacity=1).encode(alt.X("difference:Q")),
    ]
    sizes = list(dict.fromkeys(_taught(one) for one in comparisons))
    row = alt.Row("rows:N", sort=sizes, title=None).header(labelOrient="top", labelAnchor="start")
    layered = alt.layer(*layers, data=data)
    layered = layered.properties(width=sheet.width, height=alt.Step(ROW_HEIGHT))
    return _style(layered.facet(row=row).resolve_scale(y="independent"), sheet)


def _accuracies(sheet: Sheet) -> alt.Scale:
    if sheet.extent is None:
        return alt.Scale(zero=False)
    return alt.Scale(zero=False, nice=True, domain=list(sheet.extent))


def _data(marks: Iterable[Mark], kind: str) -> alt.InlineData:
    return alt.InlineData(values=[_record(mark) for mark in marks if mark.kind == kind])


def _record(mark: Mark | TrainingMark) -> dict[str, object]:
    looks = look(mark.method)
    label = f"{mark.method}: {mark.said}"
    return {**asdict(mark), "label": label, "leading": looks.leading, "control": looks.control}


def _dodge(marks: Sequence[Mark], span: float) -> list[dict[str, object]]:
    """Measured points, shifted sideways where their intervals would overlap."""
    leading = [name for name in _looks(marks) if look(name).leading]
    middle = (len(leading) - 1) / 2
    steps = {name: step - middle for step, name in enumerate(leading)}
    return [
        {**_record(mark), "at": (mark.rows or 0) * span ** (ASIDE * steps.get(mark.method, 0))}
        for mark in marks
        if mark.kind == "measured"
    ]


def _difference(compared: MethodComparison) -> dict[str, object]:
    comparison = compared.comparison
    return {
        "pair": f"{compared.method} against {compared.baseline}",
        "rows": _taught(compared),
        "difference": 100 * comparison.difference,
        "low": 100 * comparison.low,
        "high": 100 * comparison.high,
        "verdict": comparison.verdict,
    }


def _taught(compared: MethodComparison) -> str:
    return f"On {counted_train_rows(compared.rows)}"


def _looks(marks: Iterable[Mark | TrainingMark]) -> dict[str, Look]:
    return {mark.method: look(mark.method) for mark in marks}


def _colour(marks: Sequence[Mark | TrainingMark], sheet: Sheet) -> alt.Color:
    looks = _looks(marks)
    colours = [sheet.colours[one.colour] for one in looks.values()]
    return alt.Color("method:N").scale(domain=list(looks), range=colours)


def _points(data: alt.InlineData, marks: Sequence[Mark | TrainingMark], sheet: Sheet) -> alt.Chart:
    """Points in each method's colour and shape, with a legend if the chart stands alone."""
    looks = _looks(marks)
    key = alt.Legend(title=None) if sheet.title else None
    names = ["paper" if one.hollow else one.colour for one in looks.values()]
    fill = alt.Fill("method:N", legend=key)
    fill = fill.scale(domain=list(looks), range=[sheet.colours[name] for name in names])
    shape = alt.Shape("method:N", legend=key)
    shape = shape.scale(domain=list(looks), range=[one.shape for one in looks.values()])
    colour = _colour(marks, sheet).legend(key)
    points: alt.Chart = alt.Chart(data).mark_point(opacity=1)
    return points.encode(colour, fill, shape, _SAID)


def _strength(leading: float, other: float) -> Mapping[str, Any]:
    return alt.when("datum.leading").then(alt.value(leading)).otherwise(alt.value(other))


def _teacher_lines(teacher: float, sheet: Sheet) -> list[alt.Chart]:
    muted, said = sheet.colours["muted"], f"{TEACHER} {percent(teacher)}"
    line, at = alt.Chart().mark_rule(color=muted, strokeDash=[2, 2]), alt.YDatum(teacher)
    return [line.encode(at), *label_line(at, said, sheet)]


def label_line(at: alt.YDatum, text: str, sheet: Sheet) -> list[alt.Chart]:
    """A label at the left end of a horizontal line."""
    return [
        alt.Chart()
        .mark_text(text=text, align="left", baseline="bottom", dx=2, dy=-3, **colours)
        .encode(at, x=alt.value(0))
        # First a halo, which hides a grid line that runs through the label.
        for colours in (
            {"stroke": sheet.colours["paper"], "strokeWidth": 4},
            {"color": sheet.colours["muted"]},
        )
    ]


def finish(chart: Chart, sheet: Sheet, height: int, longest: str) -> Chart:
    """Size the chart; only the points, which show colour and shape, have a legend.

    ``longest`` is the longest label at the left. In a page, a browser's font may be wider than
    the one that the chart was laid out with.
    """
    sized = chart.properties(width=sheet.width, height=height)
    if not sheet.title:
        left = 2 + round(WIDER_FONT * len(longest))
        sized = sized.properties(padding={"left": left, "right": 8, "top": 2, "bottom": 2})
    own = sized.resolve_legend(color="independent", fill="independent", shape="independent")
    return _style(own, sheet)


def _style(chart: Chart, sheet: Sheet) -> Chart:
    ink, muted, rule = (sheet.colours[name] for name in ("ink", "muted", "rule"))
    titled = chart.properties(title=sheet.title) if sheet.title else chart
    styled: Chart = titled.configure(
        font=FONT,
        background=sheet.colours["paper"] if sheet.title else "transparent",
        padding=16,
        axis=alt.AxisConfig(
            labelColor=muted, titleColor=muted, gridColor=rule, domainColor=rule, tickColor=rule,
            labelFontSize=12, titleFontSize=12, titleFontWeight="normal", labelLimit=400,
        ),
        axisY=alt.AxisConfig(
            titleAngle=0, titleAlign="left", titleAnchor="end", titleY=-10, titleX=0
        ),
        header=alt.HeaderConfig(labelColor=ink, labelFontSize=13, labelFontWeight="bold"),
        legend=alt.LegendConfig(
            labelColor=ink, labelFontSize=12, labelLimit=400, symbolSize=70, symbolOpacity=1
        ),
        line=alt.MarkConfig(strokeWidth=2),
        point=alt.MarkConfig(size=52, strokeWidth=1.6),
        title=alt.TitleConfig(
            color=ink, fontSize=15, anchor="start", offset=18, limit=sheet.width + 150
        ),
        view=alt.ViewConfig(stroke=None),
    )  # fmt: skip
    return styled
