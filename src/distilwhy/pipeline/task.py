"""Read a task from YAML."""

from pathlib import Path

from distilwhy.config import AnswerConfig, TaskConfig, read_config, read_yaml
from distilwhy.core.parsing.answer import Answer, spelt
from distilwhy.core.rows.column_names import advise_on_outputs
from distilwhy.core.rows.input_template import InputTemplate
from distilwhy.core.task import Row, RowFormat, Task
from distilwhy.errors import ConfigError
from distilwhy.store.examples import read_exemplars
from distilwhy.store.rows import read_rows


def read_task(path: Path | str) -> Task:
    """The task in a YAML file.

    Raises:
        ConfigError: if the file says something that cannot be done.
        DataError: if an exemplar is broken.
    """
    file = Path(path)
    return build_task(read_config(file, TaskConfig), file, "")


def build_task(config: TaskConfig, file: Path, prefix: str) -> Task:
    """The task that a config describes; ``file`` and ``prefix`` say where it stands.

    Raises:
        ConfigError: if it says something that cannot be done.
        DataError: if an exemplar is broken.
    """
    answer = _answer(config.answer, f"{file}: {prefix}answer")
    row_format = RowFormat(config.input, config.gold, config.answer.options, config.id)
    _check_input(row_format, f"{file}: {prefix}input")
    bare = Task(config.instruction.strip(), row_format, answer)
    if isinstance(config.exemplars, str):
        rows = _exemplar_rows(file.parent / config.exemplars)
    else:
        rows = [(row, f"{file}: exemplar {i}") for i, row in enumerate(config.exemplars, 1)]
    try:
        exemplars = read_exemplars(rows, bare)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    return Task(bare.instruction, row_format, answer, exemplars, config.answer.cue)


def _check_input(row_format: RowFormat, where: str) -> None:
    """Refuse an input that is the same for every row, or that shows the answer."""
    try:
        template = InputTemplate(row_format.template)
    except ConfigError:
        return  # The exemplars and rows are read with it, and say so.
    if not template.fields:
        raise ConfigError(
            f"{where}: names no field of a row, so that all rows would be asked the same; write "
            "for example {{ text }}" + advise_on_outputs(row_format.template, lambda output: True)
        )
    gold = row_format.gold
    shown = [p for p in template.paths if gold and (p == gold or gold.startswith(f"{p}."))]
    if shown:
        raise ConfigError(
            f"{where}: shows {shown[0]!r}, which is the gold label, so that teacher and students "
            "would be told the answer; take it out of the template"
        )


def _exemplar_rows(path: Path) -> list[tuple[Row, str]]:
    if path.suffix not in (".yaml", ".yml"):
        return list(read_rows(path))
    rows = read_yaml(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"{path}: must be a list of exemplars, each with its fields")
    return [(row, f"{path}: exemplar {i}") for i, row in enumerate(rows, 1)]


def _answer(config: AnswerConfig, where: str) -> Answer:
    if config.kind == "choice" and bool(config.labels) == bool(config.options):
        raise ConfigError(
            f"{where}: a choice needs either 'labels', the fixed ones, or 'options', "
            "the field with the row's own"
        )
    if config.kind != "choice" and (config.labels or config.options):
        raise ConfigError(f"{where}: kind {config.kind!r} takes no 'labels' or 'options'")
    if config.labels and len({*map(spelt, config.labels)}) < max(2, len(config.labels)):
        raise ConfigError(f"{where}.labels: must be two or more, each once; got {config.labels}")
    return Answer(config.kind, tuple(config.labels))
