"""A student's traffic beside its validation rows."""

from dataclasses import asdict

from rich.table import Table

from distilwhy.cli.console import make_table, open_console
from distilwhy.cli.output import print_json, print_line
from distilwhy.core.stats.drift import Change, Shift
from distilwhy.core.wording import counted, percent, points
from distilwhy.pipeline.deploy.drift import DriftReport

MOST_LABELS = 12


def print_drift(report: DriftReport, as_json: bool) -> None:
    """Print the shifts of labels, confidence and the share referred, in all and over time."""
    if as_json:
        print_json(asdict(report))
        return
    validation, drift = report.validation, report.drift
    print_line(
        f"{counted(drift.rows, 'row')} against {counted(validation.rows, 'validation row')}\n"
    )
    print_line(f"labels       {_shift(drift.labels)}")
    print_line(f"confidences  {_shift(drift.confidences)}")
    print_line(f"mean confidence  {_change(drift.confidence)}")
    if drift.referred:
        print_line(f"share referred   {_change(drift.referred)}")
    console = open_console()
    console.print()
    console.print(_labels(report))
    if len(report.periods) > 1:
        console.print(_periods(report))


def _shift(shift: Shift) -> str:
    return (
        f"PSI {shift.psi:.3f}: {shift.words} (chance alone: up to {shift.chance:.3f}, "
        f"p = {shift.p:.3f})"
    )


def _change(change: Change) -> str:
    return (
        f"{percent(change.before)} → {percent(change.now)} (95 % CI of the change "
        f"{points(change.low)} to {points(change.high)} points)"
    )


def _labels(report: DriftReport) -> Table:
    """The labels whose shares changed most."""
    before, now = report.validation, report.traffic
    shares = [
        (label, a / before.rows, b / now.rows)
        for label, a, b in zip(before.labels, before.counts, now.counts, strict=True)
        if a or b
    ]
    shares.sort(key=lambda found: -abs(found[2] - found[1]))
    table = make_table("Labels", "label", "validation", "now", "change")
    for label, was, share in shares[:MOST_LABELS]:
        table.add_row(label, percent(was), percent(share), points(share - was))
    if len(shares) > MOST_LABELS:
        table.caption = f"and {len(shares) - MOST_LABELS} more, which changed less"
    return table


def _periods(report: DriftReport) -> Table:
    """One row a period."""
    has_cascade = report.drift.referred is not None
    names = ["UTC", "rows", "PSI of labels", "of confidences", "mean confidence"]
    table = make_table("Over time", *names, *(["referred"] if has_cascade else []))
    for period, drift in report.periods.items():
        referred = [percent(drift.referred.now) if drift.referred else "–"] if has_cascade else []
        table.add_row(
            period.replace("T", " "),
            f"{drift.rows:,}",
            _psi(drift.labels),
            _psi(drift.confidences),
            percent(drift.confidence.now),
            *referred,
        )
    table.caption = "* more than chance gives in so few rows"
    return table


def _psi(shift: Shift) -> str:
    return f"{shift.psi:.3f}{'*' if shift.is_real else ' '}"
