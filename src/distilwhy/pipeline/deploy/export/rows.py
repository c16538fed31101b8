"""The rows that an export is compared on."""

from collections.abc import Sequence
from itertools import islice
from math import ceil
from pathlib import Path

import yaml

from distilwhy.core.rows.example_builder import ExampleBuilder
from distilwhy.core.task import Example
from distilwhy.errors import DataError, DistilwhyError, RunError, first_line
from distilwhy.pipeline.evaluate.validation import MOST
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.store.rows import read_rows
from distilwhy.store.run_folder import RESOLVED, RESOLVED_HEADING, RunFolder
from distilwhy.students.student import Student


def rows_of_file(student: Student, file: Path) -> Sequence[Example]:
    """The rows of a file that have an input, as the student reads them; 10,000 at most.

    Raises:
        DataError: if there are none, or one is broken.
    """
    build = ExampleBuilder(student.spec.inference_task, may_be_empty=True)
    examples = (build(row, where) for row, where in read_rows(file))
    found = list(islice((example for example in examples if example.text), MOST))
    if not found:
        raise DataError(f"{file}: has no rows with an input; give it some")
    return found


def validation_rows(folder: Path, student: Student) -> Sequence[Example]:
    """The validation rows of the experiment whose run folder a student is in, spread evenly over
    all; 10,000 at most.

    Raises:
        RunError: if they cannot be found.
    """
    advice = "give --rows FILE with rows like those that it will label"
    if student.spec.method.asks_teacher:
        raise RunError(
            f"{folder}: reads the teacher's rationale with every input; {advice}, each with its "
            "'rationale'"
        )
    run = RunFolder(folder.resolve().parent.parent)
    file = _find_experiment(run)
    if file is None:
        raise RunError(f"{folder}: is in no run folder of an experiment that is there; {advice}")
    try:
        rows = open_experiment(file).splits.validation
    except DistilwhyError as error:
        raise RunError(
            f"{folder}: its validation rows cannot be read ({first_line(error)}); {advice}"
        ) from error
    return [example for example in rows[:: ceil(len(rows) / MOST) or 1] if example.text]


def _find_experiment(run: RunFolder) -> Path | None:
    """The experiment file of a run folder; None if it is not where it was."""
    kept = run.path / RESOLVED
    if not kept.is_file():
        return None
    if not run.has_resolved:  # The run folder is that of the experiment file.
        return kept
    text = kept.read_text(encoding="utf-8")
    opening, closing = RESOLVED_HEADING.rstrip("\n").split("{}")
    name = text.partition("\n")[0].removeprefix(opening).removesuffix(closing)
    out = Path((yaml.safe_load(text) or {}).get("out") or f"runs/{Path(name).stem}")
    parents = [run.path, *run.path.parents]
    if out.is_absolute() or len(out.parts) >= len(parents):
        return None
    file = parents[len(out.parts)] / name
    is_it = file.is_file() and (file.parent / out).resolve() == run.path
    return file if is_it else None
