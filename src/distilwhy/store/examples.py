"""Rows read into Examples, as a task says."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import repeat
from pathlib import Path

from pydantic_core import from_json

from distilwhy.core.parsing.answer import letter
from distilwhy.core.task import Example, Exemplar, Task
from distilwhy.core.wording import suggest
from distilwhy.errors import DataError
from distilwhy.store.input_template import InputTemplate
from distilwhy.store.rows import SUFFIXES, Row, Source, read_rows, row_number, value_at

_LONGEST_SHOWN = 200


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
    build = ExampleBuilder(task)
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


class ExampleBuilder:
    """Builds the examples of one task from rows.

    Raises:
        ConfigError: if the task's template is not valid Jinja.
    """

    def __init__(self, task: Task) -> None:
        self._format = task.row_format
        self._answer = task.answer
        self._template = InputTemplate(task.row_format.template)

    def __call__(self, row: Row, where: str) -> Example:
        """The example that a row describes.

        Raises:
            DataError: if the input, the options or the gold label are not valid.
        """
        options = self._options(row, where)
        fields = dict(row)
        if self._format.options in row:
            # A CSV cell holds options as JSON: the template gets the list, not the cell.
            fields[str(self._format.options)] = list(options)
        text = self._template.render(fields, where)
        given = value_at(row, self._format.id)
        name = _numbered(where) if given is None or given == "" else str(given)
        return Example(name, text, options, self._gold(row, options, where))

    def _options(self, row: Row, where: str) -> tuple[str, ...]:
        if self._format.options is None:
            return ()
        found = value = value_at(row, self._format.options)
        if isinstance(value, str):
            try:
                value = from_json(value)
            except ValueError:
                value = None
        named = f"{where}: its options, {self._format.options!r},"
        if not isinstance(value, list) or len(value) < 2:
            shown = repr(found)
            shown = shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "…"
            near = suggest(self._format.options, row)
            raise DataError(f"{named} must be a list of two or more; found {shown}{near}")
        if any(option is None or isinstance(option, bytes) for option in value):
            raise DataError(f"{named} have one that is null or not UTF-8 text; write a text there")
        return tuple(str(option) for option in value)

    def _gold(self, row: Row, options: tuple[str, ...], where: str) -> str | None:
        field = self._format.gold
        value = value_at(row, field) if field else None
        if value is None or value == "":
            return None
        answer = self._answer
        text = _digits(value) if answer.kind in ("number", "equation") else str(value)
        letters = {letter(i): option for i, option in enumerate(options)}
        label = answer.canonical(text, options) or letters.get(text.strip().lower())
        if label is None or isinstance(value, bytes):
            choices = answer.choices(options)
            expected = f"one of {', '.join(choices)}" if choices else f"of kind {answer.kind}"
            raise DataError(
                f"{where}: gold label {text!r} in {field!r} is outside the answer space; "
                f"it must be {expected}"
            )
        return label


def _digits(value: object) -> str:
    """A value as text, a float such as 1e-07 in plain digits."""
    return format(Decimal(repr(float(value))), "f") if isinstance(value, float) else str(value)


def _numbered(where: str) -> str:
    """``data/train.jsonl row 3`` → ``train-3``; ``owner/cqa.v2[test] row 3`` keeps its dot."""
    place, of_file, number = where.rpartition(" row ")
    name = place.replace("\\", "/").rpartition("/")[2]
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return f"{name}-{number}" if of_file else where
