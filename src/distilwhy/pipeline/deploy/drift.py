"""Compares a log of a student's answers with its answers to validation rows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from distilwhy.core.stats.deployment import FILE, Deployment
from distilwhy.core.stats.drift import Drift, Profile, TrafficRow, measure_drift
from distilwhy.core.task import Row
from distilwhy.errors import DataError, StudentError, first_line
from distilwhy.store.files import read_json
from distilwhy.store.rows import read_rows

# Where ``serve --keep-requests`` puts the answer of a row.
KEPT = "distilwhy"
# Rows that are profiled at once, and hours up to which periods are hours.
_CHUNK, _MOST_HOURS = 4096, 48
_HOUR, _DAY = len("2026-01-31T09"), len("2026-01-31")


@dataclass(frozen=True)
class DriftReport:
    """A log against validation, in all and over time.

    Attributes:
        periods: By hour, or by day if that is more than 48 hours; none if the log has no times.
    """

    validation: Profile
    traffic: Profile
    drift: Drift
    periods: Mapping[str, Drift]


def report_drift(student: Path, log: Path) -> DriftReport:
    """Compare a log with validation.

    Args:
        log: Rows that ``serve --keep-requests`` kept, or that ``predict --file`` wrote.

    Raises:
        StudentError: if the student was not evaluated.
        DataError: if the log cannot be read, or has no answers.
    """
    validation = read_validation(student)
    hours: dict[str, Profile] = {}
    for hour, answers in _read_hours(log):
        found = validation.of(answers)
        hours[hour] = hours[hour] + found if hour in hours else found
    if not hours:
        raise DataError(f"{log}: has no answers; give it some")
    traffic = _add(hours.values())
    timed = {hour: found for hour, found in sorted(hours.items()) if hour}
    size = _HOUR if len(timed) <= _MOST_HOURS else _DAY
    periods = {
        period: measure_drift(validation, _add(found for _, found in group))
        for period, group in groupby(timed.items(), lambda item: item[0][:size])
    }
    return DriftReport(validation, traffic, measure_drift(validation, traffic), periods)


def read_validation(student: Path) -> Profile:
    """What a student answered to its validation rows.

    Raises:
        StudentError: if its folder does not say.
    """
    place = student / FILE
    kept = read_json(place)
    try:
        profile = TypeAdapter(Deployment).validate_python(kept).profile if kept else None
    except ValueError as error:
        raise StudentError(
            f"{place}: cannot be read ({first_line(error)}); delete it, or run 'evaluate' again"
        ) from error
    if profile is None or not profile.rows:
        raise StudentError(
            f"{student}: does not say what the student answered to validation rows; run 'evaluate' "
            "on its experiment"
        )
    return profile


def _add(profiles: Iterable[Profile]) -> Profile:
    first, *others = profiles
    return sum(others, start=first)


def _read_hours(log: Path) -> Iterator[tuple[str, list[TrafficRow]]]:
    """Answers of the same hour that follow one another, by hour; "" where there is no time."""
    rows = filter(None, (_read(row, where) for row, where in read_rows(log)))
    for hour, group in groupby(rows, lambda found: found[0]):
        chunk: list[TrafficRow] = []
        for _, answered in group:
            chunk.append(answered)
            if len(chunk) == _CHUNK:
                yield hour, chunk
                chunk = []
        yield hour, chunk


def _read(row: Row, where: str) -> tuple[str, TrafficRow] | None:
    """The hour of an answer, and the answer; None for a row whose input was empty."""
    given = row.get(KEPT)
    answer: Mapping[str, Any] = given if isinstance(given, dict) else row
    try:
        if not answer["label"] and answer.get("confidence") in (None, ""):
            return None
        label, confidence = answer["label"], float(answer["confidence"])
    except (KeyError, TypeError, ValueError):
        raise DataError(
            f"{where}: has no 'label' with a 'confidence'; give a file that 'serve "
            "--keep-requests' kept or 'predict --file' wrote"
        ) from None
    alone = answer.get("alone")
    if alone is None and answer.get("source"):
        alone = answer["source"] == "student"
    time = answer.get("time") if answer is given else None
    return str(time or "")[:_HOUR], TrafficRow(label or None, confidence, alone)
