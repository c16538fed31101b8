"""The results of a study in Markdown, for a README or a model card."""

import re
from collections.abc import Iterable, Sequence
from math import ceil

from distilwhy.core.results import Provenance, Results
from distilwhy.core.stats.progress import mean_progress
from distilwhy.core.wording import count, percent
from distilwhy.report.bill import Line, bill_lines, cost_sentence, missing
from distilwhy.report.marks import on_most_rows
from distilwhy.report.scores import ScoreRow, baseline_rows, method_rows, teacher_rows
from distilwhy.report.sentences import cautions, efficiency_sentences, parse_cautions, seeds
from distilwhy.report.teachers import describe_costs, describe_teachers
from distilwhy.report.trust import calibration_words
from distilwhy.report.verdicts import judge_all

# By heading, the field of ``ScoreRow``.
_COLUMNS = (
    *("Method", "Train rows", "Accuracy", "95 % interval", "Seeds"),
    *("Parameters", "Size", "Rows per second", "Training"),
)
_MOST_STEPS = 8
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&])")


def render_summary(results: Results) -> str:
    """Headline, scores, comparisons, data efficiency, costs and provenance."""
    rows = [*teacher_rows(results), *baseline_rows(results), *method_rows(results)]
    shown = results.call(results.students[0])
    parts = [
        f"# {escape(results.name)}",
        *map(escape, results.headline.split("\n")),
        cost_sentence(results.bill),
        _table(rows),
        *parse_cautions(results.teacher),
        *cautions(results),
        *map(escape, describe_teachers(results)),
        *dict.fromkeys(f"{row.method}: {row.note}." for row in rows if row.note),
        *_comparisons(results),
        *_efficiency(results),
        *_training(results),
        *(["## When to trust it"] if results.deployed else []),
        escape(results.cascade),
        escape(calibration_words(results.deployed)),
        f"## Costs{f', with the student {shown}' if shown else ''}",
        _list(map(_bill_line, bill_lines(results.bill))),
        missing(results.bill),
        _list(map(escape, describe_costs(results))),
        "## Provenance",
        _list(_provenance(results.provenance, seeds(results))),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(rows: Sequence[ScoreRow]) -> str:
    lines = [[*_COLUMNS], ["---", *["---:"] * (len(_COLUMNS) - 1)]]
    for row in rows:
        scores = [row.method, row.rows, row.accuracy, row.interval, row.seeds]
        lines.append([*scores, row.parameters, row.size, row.speed, row.training])
    if any(row.student for row in rows):
        names = ["Student", "---", *(row.student for row in rows)]
        lines = [[name, *line] for name, line in zip(names, lines, strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _comparisons(results: Results) -> list[str]:
    groups = judge_all(results)
    parts = ["## Comparisons"] if groups else []
    for group in groups:
        lines = (
            f"{one.method} against {one.baseline}: **{one.said}**{one.words}"
            + (f", {escape(one.p_value)}" if one.p_value else "")
            for one in group.verdicts
        )
        parts += [f"{group.title}:", _list(lines)]
    note = "p-values are adjusted for all comparisons of a kind (Holm 1979)."
    return [*parts, note] if parts else []


def _efficiency(results: Results) -> list[str]:
    lines = [
        f"{f'{results.call(one.student)} {one.method}'.lstrip()}: "
        f"{' '.join(efficiency_sentences(one))}"
        for one in results.efficiency
    ]
    return ["## Data efficiency", _list(lines)] if lines else []


def _training(results: Results) -> list[str]:
    """Accuracy on validation at some steps of training, on the most rows."""
    found = [
        (f"{results.call(student)} {method.method}".lstrip(), progress)
        for student in results.students
        for method in on_most_rows(results.of(student).methods)
        if (progress := mean_progress([one.progress for one in method.students]))
    ]
    steps = sorted({one.step for _, progress in found for one in progress})
    every = max(1, ceil(len(steps) / _MOST_STEPS))
    shown = steps[::-1][::every][::-1]
    lines = [["Method", *(f"Step {count(step)}" for step in shown)]]
    lines.append(["---", *["---:"] * len(shown)])
    for name, progress in found:
        reached = {one.step: percent(one.accuracy) for one in progress}
        lines.append([name, *(reached.get(step, "") for step in shown)])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return ["## Accuracy on validation during training", table] if found else []


def _provenance(provenance: Provenance, all_seeds: Sequence[int]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions.items())
    return [
        f"Written {escape(provenance.started)}",
        f"Machine: {escape(provenance.machine)}",
        f"Versions: {escape(versions)}",
        f"Seeds: {', '.join(map(str, all_seeds))}",
        f"Rows: {', '.join(f'{count(rows)} {split}' for split, rows in provenance.rows.items())}",
        *(f"SHA-256 of {what}: `{value}`" for what, value in provenance.hashes.items()),
    ]


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _bill_line(line: Line) -> str:
    why = f" ({line.why})" if line.why else ""
    return escape(f"{line.what}: {line.amount}{why}")


def escape(text: str) -> str:
    """Text in one line, with Markdown's special characters escaped."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
