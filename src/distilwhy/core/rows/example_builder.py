"""Builds examples from rows of fields."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from pydantic_core import from_json

from distilwhy.core.parsing.answer import letter
from distilwhy.core.rows.input_template import InputTemplate
from distilwhy.core.rows.template_guard import is_missing
from distilwhy.core.task import DEFAULT_ID, Example, Row, Task
from distilwhy.core.wording import suggest
from distilwhy.errors import DataError, first_line

_LONGEST_SHOWN = 200


class ExampleBuilder:
    """Builds the examples of one task from rows.

    Args:
        may_be_empty: Whether a row may have an empty input.
        needs_id: Whether a row must have the id that the task names, if it names one.

    Raises:
        ConfigError: if the task's template is not valid Jinja.
    """

    def __init__(self, task: Task, *, may_be_empty: bool = False, needs_id: bool = False) -> None:
        self._may_be_empty = may_be_empty
        self._needs_id = needs_id and task.row_format.id != DEFAULT_ID
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
        text = self._template.render(fields, where, may_be_empty=self._may_be_empty)
        return Example(self._id(row, where), text, options, self._gold(row, options, where))

    def _id(self, row: Row, where: str) -> str:
        field = self._format.id
        given = value_at(row, field)
        if given is None and field not in row and self._needs_id:
            near = suggest(field, row) or "; its fields are " + ", ".join(sorted(map(str, row)))
            raise DataError(f"{where}: has no field {field!r}, which the task's 'id' names{near}")
        if given is None or given == "":
            return _numbered(where)
        return _text(given, f"{where}: its id, {field!r},")

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
            raise DataError(
                f"{named} contain a null or bytes that are not UTF-8; write a text there"
            )
        return tuple(_text(option, named) for option in value)

    def _gold(self, row: Row, options: tuple[str, ...], where: str) -> str | None:
        field = self._format.gold
        value = value_at(row, field) if field else None
        if value is None or value == "":
            return None
        answer, named = self._answer, f"{where}: gold label in {field!r}"
        plain = _text(value, named)
        text = _digits(value) if answer.kind in ("number", "equation") else plain
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


def build_examples(rows: Sequence[Example | str | Row], task: Task) -> list[Example]:
    """Build examples from inputs: texts unchanged, rows of fields by the task's template.

    Raises:
        DataError: if a text is empty, or as ``ExampleBuilder``; a row without an id is named by
            its number, from 1.
    """
    build: ExampleBuilder | None = None
    found = []
    for number, row in enumerate(rows, 1):
        name = f"row {number}"
        if isinstance(row, Example):
            found.append(row)
        elif isinstance(row, str):
            found.append(_from_text(row, name))
        else:
            build = build or ExampleBuilder(task)
            found.append(build(row, name))
    return found


def _from_text(text: str, name: str) -> Example:
    if not text.strip():
        raise DataError(f"{name}: its text is empty; leave it out")
    return Example(name, text.strip())


def _digits(value: object) -> str:
    """A value as text, a float such as 1e-07 in plain digits."""
    return format(Decimal(repr(float(value))), "f") if isinstance(value, float) else str(value)


def _text(value: object, named: str) -> str:
    """A value as text; a DataError that names it if it is none."""
    if is_missing(value):
        raise DataError(f"{named} is NaN; write a value there, or leave it empty")
    try:
        return str(value)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{named} cannot be read ({first_line(error)}); correct it") from None


def value_at(row: Row, path: str) -> object:
    """The value at a field, or at a dotted path such as ``choices.text``; None if there is none."""
    if path in row:
        return row[path]
    value: object = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _numbered(where: str) -> str:
    """``data/train.jsonl row 3`` → ``train-3``; ``owner/cqa.v2[test] row 3`` keeps its dot."""
    place, of_file, number = where.rpartition(" row ")
    name = place.replace("\\", "/").rpartition("/")[2]
    for suffix in (".jsonl", ".json", ".csv", ".parquet"):
        name = name.removesuffix(suffix)
    return f"{name}-{number}" if of_file else where
