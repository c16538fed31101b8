"""The results of a study on disk: ``results.json``, ``measured.json`` and ``cases.jsonl``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from distilwhy.core.results import Case, Results
from distilwhy.errors import RunError, first_line
from distilwhy.store.files import publish_json, read_json
from distilwhy.store.run_folder import RunFolder

# Fields of a student's score that differ between two runs of the same experiment.
_MEASURED = ("seconds", "rows_per_second", "size")


def publish_results(folder: RunFolder, found: Results) -> None:
    """Write the results.

    What the same rows, settings and machine reproduce goes to ``results.json``; times, sizes,
    prices and provenance, which differ from run to run, go to ``measured.json``.
    """
    results = found.as_json()
    measured = {name: results.pop(name) for name in ("name", "bill", "how", "annotation_costs")}
    measured["students"] = [
        [{name: student.pop(name) for name in _MEASURED} for student in method["students"]]
        for method in results["methods"]
    ]
    measured["costs"] = [deployed.pop("costs") for deployed in results["deployments"]]
    publish_json(folder.measured, measured)
    publish_json(folder.results, results)


def read_results(folder: RunFolder) -> Results:
    """Read the results.

    Raises:
        RunError: if there are none, or this version cannot read them.
    """
    results, measured = read_json(folder.results), read_json(folder.measured)
    if results is None or measured is None:
        raise RunError(f"{folder.path}: holds no results; run 'evaluate' first")
    try:
        for method, students in zip(results["methods"], measured.pop("students"), strict=True):
            for student, more in zip(method["students"], students, strict=True):
                student.update(more)
        costs = measured.pop("costs", [])
        for deployed, cost in zip(results.get("deployments", []), costs, strict=True):
            deployed["costs"] = cost
        _count_seeds(results)
        for counts in results["teacher"].values():
            counts["saw_gold"] = counts.pop("told", 0)
        measured["provenance"] = measured.pop("how")
        return TypeAdapter(Results).validate_python({**results, **measured})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(folder.results, error) from error


def _count_seeds(results: dict[str, Any]) -> None:
    """Add to each comparison of an older version how many seeds both methods share."""
    seeds = {
        (m["method"], m["rows"], m.get("student", "")): {s["seed"] for s in m["students"]}
        for m in results["methods"]
    }
    for one in results["comparisons"]:
        first, other = (
            seeds[one[name], one["rows"], one.get("student", "")] for name in ("method", "baseline")
        )
        one["comparison"].setdefault("seeds", len(first & other))


def read_scores(folder: RunFolder) -> dict[str, Any] | None:
    """The content of ``results.json``, with the scores of the students; None if there is none.

    Raises:
        RunError: if this version cannot read it.
    """
    found = read_json(folder.results)
    try:
        for method in found["methods"] if found else ():
            _ = method["method"], method["rows"]
            _ = [(s["seed"], float(s["score"]["accuracy"])) for s in method["students"]]
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(folder.results, error) from error
    return found


def read_cases(folder: RunFolder) -> Iterator[Case]:
    """Yield the test rows of ``cases.jsonl``; none if there is no such file.

    Raises:
        RunError: if this version cannot read it.
    """
    adapter = TypeAdapter(Case)
    if not folder.cases.is_file():
        return
    try:
        with folder.cases.open(encoding="utf-8") as lines:
            for line in lines:
                yield adapter.validate_json(line)
    except ValueError as error:
        raise _unreadable(folder.cases, error) from error


def _unreadable(path: Path, error: Exception) -> RunError:
    return RunError(f"{path}: cannot be read ({first_line(error)}); run 'evaluate' again")
