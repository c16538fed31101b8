"""How far an experiment is."""

from collections.abc import Mapping

from distilwhy.cli.console import make_table, open_console
from distilwhy.cli.describe import describe_batches
from distilwhy.cli.output import print_json, print_line
from distilwhy.cli.views.outcomes import print_outcomes
from distilwhy.core.persisted import to_plain
from distilwhy.core.student_id import MAIN
from distilwhy.core.wording import percent
from distilwhy.pipeline.status import Status
from distilwhy.report.sentences import validation_note


def print_status(found: Status, as_json: bool) -> None:
    """Print annotations by outcome, batches in progress, and students with their scores."""
    if as_json:
        print_json(to_plain(found))
        return
    console = open_console()
    print_line(f"Run folder: {found.folder}\n")
    print_outcomes(found.teacher)
    for name, outcomes in found.teachers.items():
        print_line(f"\nTeacher {name}")
        print_outcomes(outcomes)
    if found.under_way.batches:
        waiting = describe_batches(found.under_way.batches, found.under_way.calls)
        console.print(f"In progress: {waiting}; 'annotate' fetches the answers")
    console.print()
    several = any(student.student for student in found.students)
    named = ["student"] if several else []
    columns = [*named, "method", "seed", "state", "validation", "test"]
    table = make_table("Students", *columns, names=len(named) + 1)
    tested = _test_accuracies(found.results)
    for student in found.students:
        validation = student.validation_accuracy
        table.add_row(
            *([student.student or MAIN] if several else []),
            student.method,
            str(student.seed),
            ": ".join(filter(None, [student.state, ", ".join(student.changed)])),
            "" if validation is None else percent(validation),
            tested.get((student.student, student.method, student.seed), ""),
        )
    console.print(table)
    if note := validation_note(found.teacher):
        console.print(note)


def _test_accuracies(results: Mapping[str, object] | None) -> dict[tuple[str, str, int], str]:
    """By student, method and seed, from ``results.json``; only those trained on all rows."""
    methods = results["methods"] if results else []
    assert isinstance(methods, list)
    return {
        (method.get("student", ""), method["method"], student["seed"]): percent(
            student["score"]["accuracy"]
        )
        for method in methods
        if method["rows"] is None
        for student in method["students"]
    }
