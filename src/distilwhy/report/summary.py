"""A study's findings in Markdown, for a README or a model card."""

import re
from collections.abc import Iterable, Sequence

from distilwhy.core.findings import Findings, How
from distilwhy.report.bill import Line, bill_lines, missing
from distilwhy.report.scores import ScoreRow, method_rows, teacher_rows
from distilwhy.report.sentences import cautions, efficiency_sentences, seeds
from distilwhy.report.verdicts import judge_all
from distilwhy.report.words import count

_COLUMNS = (
    "Method",
    "Train rows",
    "Accuracy",
    "95 % interval",
    "Seeds",
    "Parameters",
    "Size",
    "Rows a second",
    "Training",
)
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&])")


def render_summary(findings: Findings) -> str:
    """Headline, scores, comparisons, what rows are worth, the bill, and how it was done."""
    methods, shown = method_rows(findings), findings.call(findings.students[0])
    parts = [
        f"# {_plain(findings.name)}",
        _plain(findings.headline),
        _table([*teacher_rows(findings), *methods]),
        *cautions(findings),
        *dict.fromkeys(f"{row.method} {row.note}." for row in methods if row.note),
        *_comparisons(findings),
        *_efficiency(findings),
        f"## What it cost{f', with the student {shown}' if shown else ''}",
        _list(map(_bill_line, bill_lines(findings.bill))),
        missing(findings.bill),
        "## How it was done",
        _list(_how(findings.how, seeds(findings))),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(rows: Sequence[ScoreRow]) -> str:
    lines = [[*_COLUMNS], ["---", *["---:"] * (len(_COLUMNS) - 1)], *map(_cells, rows)]
    if any(row.student for row in rows):
        names = ["Student", "---", *(row.student for row in rows)]
        lines = [[name, *line] for name, line in zip(names, lines, strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: ScoreRow) -> list[str]:
    return [
        row.method,
        row.rows,
        row.accuracy,
        row.interval,
        row.seeds,
        row.parameters,
        row.size,
        row.speed,
        row.training,
    ]


def _comparisons(findings: Findings) -> list[str]:
    verdicts = judge_all(findings.comparisons, findings.how.rows.get("train"))
    parts = ["## Comparisons"] if verdicts.groups else []
    for group in verdicts.groups:
        parts.append(f"{group.title}:")
        parts.append(
            _list(
                f"{one.method} against {one.baseline}: **{one.verdict}**{one.words}, "
                f"{_plain(one.family)}"
                for one in group.verdicts
            )
        )
    note = "Intervals are 95 %; p is adjusted for all comparisons of the study (Holm 1979)."
    return [*parts, note] if parts else []


def _efficiency(findings: Findings) -> list[str]:
    told = [
        f"{f'{findings.call(one.student)} {one.method}'.lstrip()}: "
        f"{' '.join(efficiency_sentences(one))}"
        for one in findings.efficiency
    ]
    return ["## What rows are worth", _list(told)] if told else []


def _how(how: How, all_seeds: Sequence[int]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in how.versions.items())
    return [
        f"Written {_plain(how.started)}",
        f"Machine: {_plain(how.machine)}",
        f"Versions: {_plain(versions)}",
        f"Seeds: {', '.join(map(str, all_seeds))}",
        f"Rows: {', '.join(f'{count(rows)} {split}' for split, rows in how.rows.items())}",
        *(f"SHA-256 of {what}: `{value}`" for what, value in how.hashes.items()),
    ]


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _bill_line(line: Line) -> str:
    why = f" ({line.why})" if line.why else ""
    return _plain(f"{line.what}: {line.amount}{why}")


def _plain(text: str) -> str:
    """Text that Markdown reads as itself, in one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
