"""The report of a study: one self-contained HTML file."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.resources import files
from itertools import islice

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from distilwhy.core.parsing.completion import OUTCOMES, Outcome
from distilwhy.core.results import Breakdown, Case, Confusion, Results
from distilwhy.core.stats.comparisons import TEACHER
from distilwhy.core.stats.curve import Efficiency
from distilwhy.core.wording import (
    count,
    counted,
    duration,
    file_size,
    interval,
    large,
    percent,
    train_rows,
)
from distilwhy.report.bill import PRICES, bill_lines, cost_sentence, missing
from distilwhy.report.charts import (
    IN_PAGE,
    OVER,
    Sheet,
    accuracy_chart,
    curve_chart,
    draw_svg,
    list_axes,
    training_chart,
)
from distilwhy.report.marks import (
    Mark,
    accuracy_marks,
    curve_marks,
    on_most_rows,
    teacher_score,
    training_marks,
)
from distilwhy.report.palette import DARK, LIGHT, OUTLINES, look
from distilwhy.report.scores import score_tables
from distilwhy.report.sentences import (
    cautions,
    efficiency_sentences,
    parse_cautions,
    seeds,
    still_rising,
    validation_note,
    wrong_rationales,
)
from distilwhy.report.teachers import describe_costs, describe_teachers
from distilwhy.report.trust import (
    calibration_words,
    reliability_chart,
    share_chart,
    trust_rows,
)
from distilwhy.report.verdicts import judge_all

CHUNK = 1000
LABELS_SHOWN = 50


def pack_cases(cases: Iterable[Case], who: Sequence[str]) -> Iterator[str]:
    """JSON for a thousand rows at a time, safe inside a script element.

    ``who`` is everyone who answered, including the teacher if it was asked.
    """
    places = {name: place for place, name in enumerate(who)}
    remaining = iter(cases)
    while some := [_pack(case, places) for case in islice(remaining, CHUNK)]:
        yield dump_json(some)


def dump_json(value: object) -> str:
    """JSON without ``<``, so that no tag can begin or end in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _pack(case: Case, places: dict[str, int]) -> list[object]:
    said: dict[tuple[str | None, bool], list[int]] = {}
    taught = {TEACHER: case.teacher} if TEACHER in case.right else {}
    for name, answer in (taught | dict(case.answers)).items():
        if name in places:
            right = case.right.get(name, False)
            said.setdefault((answer, right), []).append(places[name])
    return [
        case.id,
        case.text,
        list(case.options),
        case.gold,
        [[answer, int(right), who] for (answer, right), who in said.items()],
        case.teacher_rationale,
        case.student_rationale,
    ]


# Plot widths in pixels; the accuracy chart gives up some of it for names.
WIDE, NARROW = 600, 270
NAMES = 80
# The student whose rows are shown first, and the one it is compared with.
STUDENTS = ("step-by-step", "step-by-step-gold")
BASELINES = ("finetune", "label-distill")


@dataclass(frozen=True)
class Drawing:
    """A chart for wide and for narrow screens, as SVG."""

    wide: Markup
    narrow: Markup


@dataclass(frozen=True)
class View:
    """The chart of one student, with its name if there are several.

    ``key`` has every method with a curve and its accuracy on the most rows, the best first.
    """

    student: str
    drawing: Drawing
    key: Sequence[tuple[str, str]]
    efficiency: Sequence[Efficiency]


@dataclass(frozen=True)
class TrainingView:
    """The training of one student's methods on the most rows, with its name if there are several.

    Attributes:
        charts: Each with what it shows.
        key: Every method with the accuracy at its last step, the best first.
    """

    student: str
    charts: Sequence[tuple[str, Drawing]]
    key: Sequence[tuple[str, str]]


def render_page(results: Results, cases: Iterable[Case]) -> str:
    """The report of a study; ``cases`` are the test rows to look at."""
    who = _who(results)
    script, style = _read("page.js"), _palette() + _read("page.css")
    page = _template().render(
        results=results,
        headline=_paragraphs(results),
        dateline=_dateline(results),
        verdicts=judge_all(results),
        shown=results.call(results.students[0]),
        views=_views(results),
        trainings=list(_training_views(results)),
        rising=still_rising(results),
        fitted=any(curve.fit for curve in results.curves),
        scores=score_tables(results),
        cascade=results.cascade,
        calibration=calibration_words(results.deployed),
        trust=trust_rows(results),
        trust_charts=_trust_charts(results),
        confusions=sorted(results.confusions, key=_is_secondary),
        breakdowns=sorted(results.breakdowns, key=_is_secondary),
        bill_lines=bill_lines(results.bill),
        missing=missing(results.bill),
        cautions=[*parse_cautions(results.teacher), *cautions(results)],
        outcomes=_outcomes(results),
        teachers=describe_teachers(results),
        point_costs=describe_costs(results),
        validation_note=validation_note(results.teacher),
        wrong_rationales=wrong_rationales(on_most_rows(results.of(results.students[0]).methods)),
        seeds=seeds(results),
        about=Markup(dump_json(_about(who))),
        chunks=[Markup(chunk) for chunk in pack_cases(cases, who)],
        script=Markup(script),
        script_hash=_hash(script),
        style=Markup(style),
        style_hash=_hash(style),
    )
    # JSON may hold half a surrogate pair, which UTF-8 cannot encode.
    return page.encode("utf-8", "replace").decode("utf-8")


def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters = (count, duration, file_size, large, percent, train_rows)
    environment.filters |= {render.__name__: render for render in filters}
    environment.filters["unbroken"] = _unbroken
    environment.globals |= {
        "counted": counted,
        "efficiency_sentences": efficiency_sentences,
        "interval": interval,
        "labels_shown": LABELS_SHOWN,
        "look": look,
        "outlines": OUTLINES,
        "prices_example": PRICES,
        "shade": _shade,
    }
    return environment.from_string(_read("page.html"))


def _read(name: str) -> str:
    return files("distilwhy.report").joinpath(name).read_text(encoding="utf-8")


def _palette() -> str:
    """The colours as CSS variables; in print always the light ones."""
    light, dark = (
        " ".join(f"--{name}: {colour};" for name, colour in colours.items())
        for colours in (LIGHT, DARK)
    )
    return (
        f"\n:root {{ color-scheme: light; {light} }}\n"
        "@media screen and (prefers-color-scheme: dark) {\n"
        f"  :root {{ color-scheme: dark; {dark} }}\n}}\n"
    )


def _hash(text: str) -> str:
    """The hash by which the page's content security policy admits its own script or style."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _unbroken(text: str) -> str:
    """Text with no line break inside the name of an interval, nor inside the interval."""
    ends = r"(95) (%) (CI)( over test rows)? (\S+) (to) ([^\s;)]+)"
    return re.sub(ends, "\\1\u00a0\\2\u00a0\\3\\4 \\5\u00a0\\6\u00a0\\7", text)


def _paragraphs(results: Results) -> list[str]:
    """The headline's first sentence, and what follows it: about the student, and its reasons."""
    first, *others = _unbroken(results.headline).split("\n")
    opening, *rest = re.split(r"(?<=[.!?]) (?=[A-Z])", first)
    return [opening, " ".join([*rest, cost_sentence(results.bill)]), *others]


def _dateline(results: Results) -> list[str]:
    rows, methods = results.provenance.rows, {found.method for found in results.methods}
    students = len(results.students)
    return [
        results.provenance.started[:10],
        *([counted(students, "student")] if students > 1 else []),
        counted(len(methods), "method"),
        counted(len(seeds(results)), "seed"),
        *(counted(rows[split], f"{split} row") for split in ("train", "test") if split in rows),
    ]


def _outcomes(results: Results) -> list[Outcome]:
    """The outcomes that occur: always ``ok``, and the others if any row has them."""
    splits = results.teacher.values()
    return [o for o in OUTCOMES if o == "ok" or any(found.outcomes.get(o) for found in splits)]


def _views(results: Results) -> list[View]:
    """The chart of each student; all have the same scale."""
    all_own = [results.of(student) for student in results.students]
    teacher = teacher_score(results)
    reach = [(mark.low, mark.high) for own in all_own for mark in _marks(own)]
    reach += [(teacher.low, teacher.high)] if teacher else []
    extent = (min(low for low, _ in reach), max(high for _, high in reach))
    sheet = Sheet(IN_PAGE, extent=extent if len(all_own) > 1 else None)
    return [
        View(results.call(own.students[0]), _draw(own, sheet), _key(own), own.efficiency)
        for own in all_own
    ]


def _training_views(results: Results) -> Iterator[TrainingView]:
    for own in map(results.of, results.students):
        marks = training_marks(on_most_rows(own.methods))
        charts = []
        for over in list_axes(marks) if marks else ():
            drawn = [
                Markup(draw_svg(training_chart(marks, over, Sheet(IN_PAGE, width=width))))
                for width in (WIDE, NARROW)
            ]
            charts.append((OVER[over], Drawing(*drawn)))
        last = sorted({mark.method: mark.accuracy for mark in marks}.items(), key=lambda m: -m[1])
        if charts:
            key = [(name, percent(share)) for name, share in last]
            yield TrainingView(results.call(own.students[0]), charts, key)


def _marks(results: Results) -> list[Mark]:
    """The curves, or the accuracies if there are none."""
    if results.curves:
        return curve_marks(results.curves)
    return accuracy_marks(on_most_rows(results.methods), teacher_score(results))


def _draw(results: Results, sheet: Sheet) -> Drawing:
    """The chart in the page's own colours."""
    marks, teacher, charts = _marks(results), teacher_score(results), []
    for width in (WIDE, NARROW):
        if results.curves:
            charts.append(curve_chart(marks, teacher, replace(sheet, width=width)))
        else:
            charts.append(accuracy_chart(marks, replace(sheet, width=width - NAMES)))
    wide, narrow = (Markup(draw_svg(chart)) for chart in charts)
    return Drawing(wide, narrow)


def _trust_charts(results: Results) -> list[Drawing]:
    """The share that the student answers alone, and its reliability, in the page's own colours."""
    found = results.deployed
    sheets = [Sheet(IN_PAGE, width=width) for width in (WIDE, NARROW)]
    return [
        Drawing(*(Markup(draw_svg(draw(found, sheet))) for sheet in sheets))
        for draw in (share_chart, reliability_chart)
        if found is not None
    ]


def _key(results: Results) -> list[tuple[str, str]]:
    last = [(curve.method, curve.points[-1].score.accuracy) for curve in results.curves]
    return [(name, percent(share)) for name, share in sorted(last, key=lambda one: -one[1])]


def _is_secondary(found: Confusion | Breakdown) -> bool:
    return found.method not in STUDENTS


def _shade(number: int, row: Sequence[int]) -> str:
    share = number / max(1, sum(row))
    return f"s{sum(share > step for step in (0, 0.05, 0.2, 0.5))}"


def _who(results: Results) -> list[str]:
    """Everyone who answered the test rows: the first student's methods, then the teacher."""
    test = results.teacher.get("test")
    methods = dict.fromkeys(found.method for found in results.of(results.students[0]).methods)
    return [*methods, *([TEACHER] if test and test.asked else [])]


def _about(who: Sequence[str]) -> dict[str, object]:
    """What the page's script needs to know before it reads any rows."""
    methods = [name for name in who if name != TEACHER]
    student = next((name for name in STUDENTS if name in methods), methods[-1] if methods else "")
    others = [name for name in (*BASELINES, *who) if name in who and name != student]
    return {
        "who": list(who),
        "methods": len(methods),
        "teacher": who.index(TEACHER) if TEACHER in who else -1,
        "chunk": CHUNK,
        "student": methods.index(student) if student else 0,
        "beside": who.index(others[0]) if others else 0,
        "explains": STUDENTS[0],
    }
