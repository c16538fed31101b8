"""Rows read into Examples, as a task says."""

from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path

from distilwhy.core.rows.example_builder import ExampleBuilder
from distilwhy.core.task import Example, Exemplar, Row, Task
from distilwhy.core.wording import suggest
from distilwhy.errors import DataError
from distilwhy.store.rows import Source, read_rows, row_number


def read_examples(source: Source | str, task: Task) -> list[Example]:
    """Every row of a file or hub split, as the task formats it.

    Rows without the task's id field are numbered: ``train-1`` for the first of ``train.jsonl``.

    Raises:
        DataError: if the file is missing, empty or broken, a row lacks a field that the input
            needs or has an answer outside the answer space, or an id is duplicated.
    """
    source = Path(source) if isinstance(source, str) else source
    examples: dict[str, Example] = {}
    places: dict[str, str] = {}
    for example, where in iterate_examples(source, task):
        if example.id in examples:
            raise DataError(
                f"{where}: id {example.id!r} already stands in row "
                f"{row_number(places[example.id])}; give each row its own id"
            )
        examples[example.id], places[example.id] = example, where
    if not examples:
        raise DataError(f"{source}: has no rows; give it some")
    return list(examples.values())


def iterate_examples(
    source: Source, task: Task, mask: Iterable[object] = repeat(True)
) -> Iterator[tuple[Example, str]]:
    """Yield the rows of a file or hub split, each with its place for messages.

    Args:
        mask: Whether to yield each row of the source. Skipped rows cost next to nothing.

    Raises:
        DataError: as ``read_examples``, except for duplicate ids.
    """
    build = ExampleBuilder(task, needs_id=True)
    for row, where in read_rows(source, mask):
        yield build(row, where), where


def read_exemplars(rows: list[tuple[Row, str]], task: Task) -> tuple[Exemplar, ...]:
    """Exemplars from rows with their place: a row's fields, its gold and a ``rationale``.

    Raises:
        DataError: as ``read_examples``, or if an exemplar lacks its answer or rationale.
    """
    build = ExampleBuilder(task)
    return tuple(_exemplar(build(row, where), row, where, task) for row, where in rows)


def _exemplar(example: Example, row: Row, where: str, task: Task) -> Exemplar:
    rationale = row.get("rationale")
    if not isinstance(rationale, str) or not rationale.strip():
        raise DataError(f"{where}: an exemplar needs a 'rationale'; write its reasons there")
    if example.gold is None:
        field = task.row_format.gold
        raise DataError(
            f"{where}: an exemplar needs its answer in {field!r}"
            + (suggest(field, row) or "; write it there")
            if field
            else f"{where}: an exemplar needs its answer; name its field in the task's 'gold' "
            "(rows may be without it)"
        )
    return Exemplar(example, " ".join(rationale.split()))
