"""Rows of JSONL, CSV, Parquet and hub datasets, read into Examples."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import compress, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import SandboxedEnvironment

from distilwhy.core.parsing.answer import letter
from distilwhy.core.task import Example, Exemplar, RowFormat, Task
from distilwhy.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pyarrow import RecordBatch

Row = Mapping[str, object]

_BATCH = 1000
_LONGEST_CELL = 10_000_000
_SHOWN = 200


@dataclass(frozen=True)
class HubSplit:
    """One split of a dataset on the Hugging Face hub."""

    dataset: str
    split: str
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.dataset}[{self.split}]"


Source = Path | HubSplit


def read_examples(source: Source | str, task: Task) -> list[Example]:
    """Every row of a file or hub split, worded as the task says.

    Rows without the task's id field are numbered: ``train-1`` for the first of ``train.jsonl``.

    Raises:
        DataError: if the file is missing, empty or broken, a row lacks a field that the input
            needs, has an answer outside the answer space, or an id stands twice.
    """
    source = Path(source) if isinstance(source, str) else source
    examples: dict[str, Example] = {}
    places: dict[str, str] = {}
    for example, where in stream_examples(source, task):
        if example.id in examples:
            raise DataError(
                f"{where}: id {example.id!r} already stands in row "
                f"{_row_number(places[example.id])}; give each row its own id"
            )
        examples[example.id], places[example.id] = example, where
    if not examples:
        raise DataError(f"{source}: has no rows; give it some")
    return list(examples.values())


def stream_examples(
    source: Source, task: Task, wanted: Iterable[object] = repeat(True)
) -> Iterator[tuple[Example, str]]:
    """The rows of a file or hub split one after the other, each with its place for messages.

    Args:
        wanted: For each row of the source whether it is; others cost next to nothing.

    Raises:
        DataError: as ``read_examples``, doubled ids aside.
    """
    reader = _Reader(task)
    for row, where in read_rows(source, wanted):
        yield reader.example(row, where), where


def read_exemplars(rows: list[tuple[Row, str]], task: Task) -> tuple[Exemplar, ...]:
    """Exemplars from rows with their place: a row's fields, its gold and a ``rationale``.

    Raises:
        DataError: as ``read_examples``, or if an exemplar lacks its answer or rationale.
    """
    reader = _Reader(task)
    exemplars = []
    for row, where in rows:
        example = reader.example(row, where)
        rationale = row.get("rationale")
        if not isinstance(rationale, str) or not rationale.strip():
            raise DataError(f"{where}: an exemplar needs a 'rationale'; write its reasons there")
        if example.gold is None and task.row_format.gold is None:
            raise DataError(
                f"{where}: an exemplar needs its answer; name its field in the task's 'gold' "
                "(rows may be without it)"
            )
        if example.gold is None:
            raise DataError(
                f"{where}: an exemplar needs its answer in {task.row_format.gold!r}; write it there"
            )
        exemplars.append(Exemplar(example, " ".join(rationale.split())))
    return tuple(exemplars)


def read_rows(source: Source, wanted: Iterable[object] = repeat(True)) -> Iterator[tuple[Row, str]]:
    """Every row that is wanted as a mapping, with its place for messages: ``train.jsonl row 3``.

    Raises:
        DataError: if the source is missing, of an unknown format, or broken.
    """
    if isinstance(source, HubSplit):
        return compress(_hub_rows(source), wanted)
    if not source.is_file():
        raise DataError(f"{source}: no such file; check the path")
    if source.suffix == ".jsonl":
        return _jsonl_rows(source, wanted)
    readers = {".csv": _csv_rows, ".parquet": _parquet_rows}
    if source.suffix not in readers:
        raise DataError(f"{source}: unknown format {source.suffix!r}; use .jsonl, .csv or .parquet")
    return compress(readers[source.suffix](source), wanted)


def _jsonl_rows(path: Path, wanted: Iterable[object]) -> Iterator[tuple[Row, str]]:
    lines = enumerate(_lines(path, "utf-8-sig"), 1)
    rows = ((number, line) for number, line in lines if not line.isspace())
    for number, line in compress(rows, wanted):
        where = f"{path} row {number}"
        try:
            row = json.loads(line)
            if "\\ud" in line.lower():  # an escape of half a character could not be written again
                json.dumps(row, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", error)
            raise DataError(f"{where}: is no JSON ({reason}); mend the line") from None
        if not isinstance(row, dict):
            raise DataError(
                f"{where}: is {type(row).__name__}, not an object with fields; mend the line"
            )
        yield row, where


def _csv_rows(path: Path) -> Iterator[tuple[Row, str]]:
    csv.field_size_limit(_LONGEST_CELL)
    rows = csv.DictReader(_lines(path, "utf-8-sig", newline=""))
    number = 0
    try:
        for number, row in enumerate(rows, 1):
            if None in row or None in row.values():
                raise DataError(
                    f"{path} row {number}: its cells do not match the header line; mend the row"
                )
            yield dict(row), f"{path} row {number}"
    except csv.Error as error:
        hint = ", is a quote never closed?" if "limit" in str(error) else ""
        raise DataError(
            f"{path} row {number + 1}: is no CSV ({error}{hint}); mend the row"
        ) from None


def _lines(path: Path, encoding: str, newline: str | None = None) -> Iterator[str]:
    try:
        with path.open(encoding=encoding, newline=newline) as lines:
            yield from lines
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text; save it as UTF-8") from None


def _parquet_rows(path: Path) -> Iterator[tuple[Row, str]]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    number = group = 0
    try:
        file = ParquetFile(path)
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(_BATCH, row_groups=[group]):
                for row in _unpacked(batch):
                    number += 1
                    yield row, f"{path} row {number}"
    except (ArrowException, OSError) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({_first_line(error)}); write it anew"
        ) from None
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"{path} row {number + 1}, in row group {group}: a value cannot be read "
            f"({_first_line(error)}); mend the row"
        ) from None


def _unpacked(batch: "RecordBatch") -> Iterator[dict[str, object]]:
    """The rows of a batch; where one cannot be read, one by one up to it."""
    try:
        rows = batch.to_pylist()
    except (ValueError, OverflowError):
        rows = (row for at in range(len(batch)) for row in batch.slice(at, 1).to_pylist())
    binary = any("binary" in str(kind) for kind in batch.schema.types)
    yield from map(_decoded, rows) if binary else rows


def _decoded(value: Any) -> Any:
    """A value with its bytes as text, where they are UTF-8."""
    if isinstance(value, dict):
        return {name: _decoded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_decoded(inner) for inner in value]
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def _hub_rows(source: HubSplit) -> Iterator[tuple[Row, str]]:
    import datasets

    try:
        table = datasets.load_dataset(source.dataset, source.name, split=source.split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"{source}: cannot be loaded from the hub ({_first_line(error)}); check its name"
        ) from error
    named = {
        field: feature
        for field, feature in table.features.items()
        if isinstance(feature, datasets.ClassLabel)
    }
    for number, row in enumerate(table, 1):
        words = {
            f: c.int2str(row[f]) for f, c in named.items() if row[f] is not None and row[f] >= 0
        }
        yield {**row, **words}, f"{source} row {number}"


def _lettered(options: list[str]) -> str:
    """The Jinja filter that lists options: ``(a) park``, a line each."""
    if isinstance(options, str) or not isinstance(options, Sequence):
        raise TypeError(f"'lettered' needs a list, not {options!r}")
    return "\n".join(f"({letter(i)}) {option}" for i, option in enumerate(options))


def _worded(value: object) -> object:
    """What is written for a value in the input: nothing for null, as for an empty CSV cell."""
    if isinstance(value, bytes):
        raise ValueError("a value is not UTF-8 text")
    return "" if value is None else value


class _Reader:
    """Words rows as one task says."""

    def __init__(self, task: Task) -> None:
        self.task = task
        environment = SandboxedEnvironment(
            undefined=jinja2.StrictUndefined, keep_trailing_newline=False, finalize=_worded
        )
        environment.filters["lettered"] = _lettered
        try:
            self.needed = find_undeclared_variables(environment.parse(task.row_format.template))
            self.template = environment.from_string(task.row_format.template)
        except jinja2.TemplateSyntaxError as error:
            raise ConfigError(
                f"task input, line {error.lineno}: {error.message}; mend the template"
            ) from None

    def example(self, row: Row, where: str) -> Example:
        row_format = self.task.row_format
        options = self._options(row, where, row_format)
        fields = dict(row)
        if row_format.options in row:
            # A CSV cell holds options as JSON: the template gets the list, not the cell.
            fields[str(row_format.options)] = list(options)
        text = self._text(fields, where)
        given = _field(row, row_format.id)
        identity = _numbered(where) if given is None or given == "" else str(given)
        return Example(identity, text, options, self._gold(row, options, where))

    def _text(self, row: Row, where: str) -> str:
        try:
            text = self.template.render(row).strip()
        except jinja2.UndefinedError as error:
            fields = ", ".join(sorted(map(str, row)))
            raise DataError(
                f"{where}: the input template cannot be filled ({error.message})"
                f"{self._nulls(row)}; the row's fields are {fields}"
            ) from None
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise DataError(
                f"{where}: the input template cannot be filled ({_first_line(error)})"
                f"{self._nulls(row)}; mend it, or the row"
            ) from None
        if not text:
            raise DataError(
                f"{where}: its input is empty{self._nulls(row)}; fill its fields or leave the row "
                "out"
            )
        return text

    def _nulls(self, row: Row) -> str:
        """Which fields of the input are null: `` (question is null)``; "" if none is."""
        nulls = sorted(name for name in self.needed if name in row and row[name] is None)
        return f" ({', '.join(nulls)} is null)" if nulls else ""

    def _options(self, row: Row, where: str, row_format: RowFormat) -> tuple[str, ...]:
        if row_format.options is None:
            return ()
        value = _field(row, row_format.options)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                value = None
        if not isinstance(value, list) or len(value) < 2:
            found = repr(_field(row, row_format.options))
            raise DataError(
                f"{where}: its options, {row_format.options!r}, must be a list of two or more; "
                f"found {found if len(found) <= _SHOWN else found[:_SHOWN] + '…'}"
            )
        if any(option is None or isinstance(option, bytes) for option in value):
            raise DataError(
                f"{where}: its options, {row_format.options!r}, have one that is null or no UTF-8 "
                "text; write a text there"
            )
        return tuple(str(option) for option in value)

    def _gold(self, row: Row, options: tuple[str, ...], where: str) -> str | None:
        field = self.task.row_format.gold
        value = _field(row, field) if field else None
        if value is None or value == "":
            return None
        answer = self.task.answer
        text = _digits(value) if answer.kind in ("number", "equation") else str(value)
        letters = {letter(i): option for i, option in enumerate(options)}
        label = answer.canonical(text, options) or letters.get(text.strip().lower())
        if label is None or isinstance(value, bytes):
            space = answer.choices(options)
            expected = f"one of {', '.join(space)}" if space else f"of kind {answer.kind}"
            raise DataError(
                f"{where}: gold label {text!r} in {field!r} is outside the answer space; "
                f"it must be {expected}"
            )
        return label


def _digits(value: object) -> str:
    """A value as text, a float such as 1e-07 in plain digits."""
    return format(Decimal(repr(float(value))), "f") if isinstance(value, float) else str(value)


def _field(row: Row, path: str) -> object:
    """The value at a field, or at a dotted path such as ``choices.text``."""
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
    for suffix in (".jsonl", ".csv", ".parquet"):
        name = name.removesuffix(suffix)
    return f"{name}-{number}" if of_file else where


def _row_number(where: str) -> str:
    return where.rpartition(" row ")[2]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
