"""Rows of JSONL, CSV, Parquet and hub datasets, read into Examples."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from distilwhy.core.answer import letter
from distilwhy.core.task import Example, Exemplar, Task, Wording
from distilwhy.errors import ConfigError, DataError

Row = Mapping[str, object]


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
    reader = _Reader(task)
    examples = [reader.example(row, where) for row, where in read_rows(source)]
    if not examples:
        raise DataError(f"{source}: has no rows; give it some")
    _refuse_twins(examples, source)
    return examples


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
        if example.gold is None:
            raise DataError(
                f"{where}: an exemplar needs its answer in {task.wording.gold!r}; write it there"
            )
        exemplars.append(Exemplar(example, " ".join(rationale.split())))
    return tuple(exemplars)


def read_rows(source: Source) -> Iterator[tuple[Row, str]]:
    """Every row as a mapping, with its place for messages: ``train.jsonl row 3``.

    Raises:
        DataError: if the source is missing, of an unknown format, or broken.
    """
    if isinstance(source, HubSplit):
        return _hub_rows(source)
    if not source.is_file():
        raise DataError(
            f"{source}: no such file; check the path (it is relative to the experiment)"
        )
    readers = {".jsonl": _jsonl_rows, ".csv": _csv_rows, ".parquet": _parquet_rows}
    if source.suffix not in readers:
        raise DataError(f"{source}: unknown format {source.suffix!r}; use .jsonl, .csv or .parquet")
    return readers[source.suffix](source)


def _jsonl_rows(path: Path) -> Iterator[tuple[Row, str]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f"{path} row {number}"
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{where}: is no JSON ({error.msg}); mend the line") from None
            if not isinstance(row, dict):
                raise DataError(f"{where}: is {type(row).__name__}, not an object with fields")
            yield row, where


def _csv_rows(path: Path) -> Iterator[tuple[Row, str]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), 1):
            if None in row or None in row.values():
                raise DataError(f"{path} row {number}: its cells do not match the header line")
            yield dict(row), f"{path} row {number}"


def _parquet_rows(path: Path) -> Iterator[tuple[Row, str]]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        batches = ParquetFile(path).iter_batches()
        rows = [row for batch in batches for row in batch.to_pylist()]
    except ArrowException as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error})") from None
    for number, row in enumerate(rows, 1):
        yield row, f"{path} row {number}"


def _hub_rows(source: HubSplit) -> Iterator[tuple[Row, str]]:
    import datasets

    try:
        table = datasets.load_dataset(source.dataset, source.name, split=source.split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{source}: cannot be loaded from the hub ({reason})") from error
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


def _refuse_twins(examples: list[Example], source: Source) -> None:
    first: dict[str, int] = {}
    for number, example in enumerate(examples, 1):
        if example.id in first:
            raise DataError(
                f"{source} row {number}: id {example.id!r} already stands in row "
                f"{first[example.id]}; give each row its own id"
            )
        first[example.id] = number


def _lettered(options: list[str]) -> str:
    """The Jinja filter that lists options: ``(a) park``, a line each."""
    return "\n".join(f"({letter(i)}) {option}" for i, option in enumerate(options))


class _Reader:
    """Words rows as one task says."""

    def __init__(self, task: Task) -> None:
        self.task = task
        environment = SandboxedEnvironment(
            undefined=jinja2.StrictUndefined, keep_trailing_newline=False
        )
        environment.filters["lettered"] = _lettered
        try:
            self.template = environment.from_string(task.wording.template)
        except jinja2.TemplateSyntaxError as error:
            raise ConfigError(f"task input, line {error.lineno}: {error.message}") from None

    def example(self, row: Row, where: str) -> Example:
        wording = self.task.wording
        options = self._options(row, where, wording)
        text = self._text(row, where)
        identity = str(row[wording.id]) if row.get(wording.id) is not None else _numbered(where)
        return Example(identity, text, options, self._gold(row, options, where))

    def _text(self, row: Row, where: str) -> str:
        try:
            text = self.template.render(row).strip()
        except jinja2.UndefinedError as error:
            fields = ", ".join(sorted(row))
            raise DataError(
                f"{where}: the input template cannot be filled ({error.message}); "
                f"the row's fields are {fields}"
            ) from None
        except (jinja2.TemplateError, TypeError) as error:
            raise DataError(f"{where}: the input template cannot be filled ({error})") from None
        if not text:
            raise DataError(f"{where}: its input is empty; fill its fields or leave the row out")
        return text

    def _options(self, row: Row, where: str, wording: Wording) -> tuple[str, ...]:
        if wording.options is None:
            return ()
        value = _field(row, wording.options)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except json.JSONDecodeError:
                value = None
        if not isinstance(value, list) or len(value) < 2:
            raise DataError(
                f"{where}: its options, {wording.options!r}, must be a list of two or more; "
                f"found {_field(row, wording.options)!r}"
            )
        return tuple(str(option) for option in value)

    def _gold(self, row: Row, options: tuple[str, ...], where: str) -> str | None:
        field = self.task.wording.gold
        value = _field(row, field) if field else None
        if value is None or value == "":
            return None
        text, answer = str(value), self.task.answer
        letters = {letter(i): option for i, option in enumerate(options)}
        label = answer.canonical(text, options) or letters.get(text.strip().lower())
        if label is None:
            space = answer.choices(options)
            expected = f"one of {', '.join(space)}" if space else f"of kind {answer.kind}"
            raise DataError(
                f"{where}: gold label {text!r} in {field!r} is outside the answer space; "
                f"it must be {expected}"
            )
        return label


def _field(row: Row, path: str) -> object:
    """The value at a field, or at a dotted path such as ``choices.text``."""
    value: object = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _numbered(where: str) -> str:
    """``data/train.jsonl row 3`` → ``train-3``."""
    place, _, number = where.rpartition(" row ")
    return f"{Path(place).stem}-{number}"
