"""Turns a table into an experiment: finds the columns of labels and of input."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from distilwhy.core.parsing.answer import Answer, fold
from distilwhy.core.wording import count, suggest
from distilwhy.errors import ConfigError, DataError
from distilwhy.pipeline.importing.answers import MOST_LABELS, read_wanted
from distilwhy.pipeline.importing.new_experiment import (
    GOLD,
    STUDENT_HINT,
    TEST,
    TRAIN,
    Imported,
    choose_test,
    draft_experiment,
    split_files,
    write_experiment,
)
from distilwhy.pipeline.importing.prompt_parts import Choose
from distilwhy.pipeline.importing.scaffold import require_new
from distilwhy.pipeline.importing.table import Table, read_table

_LABEL_NAME = re.compile(
    r"(?i)label|class|categor|gold|target|kind|intent|sentiment|topic|answer|verdict|^(type|y)$"
)
_ID_NAME = re.compile(r"(?i)(^|_|\b)u?u?id$|[a-z]Id$|^(key|index|nr|no|number|unnamed.*)$")
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)*")
_PLAIN_NAME = re.compile(r"[^\W\d]\w*")
_LONGEST_LABEL, _MOST_NUMBERS, _WORDS = 60, 10, 3
_RESERVED = ("id", "true", "false", "none", "not", "and", "or", "if", "else", "in", "is")
_HEADING = """\
Written by `distilwhy init` from {name}. Say in `instruction` what the labels mean. The teacher is
asked zero-shot; a few exemplars with rationales make it better (see docs/experiment.md).
"""
_UNLABELLED = """
The rows have no labels, so there is no test split, and `finetune`, which learns gold labels, is
left out."""
_INSTRUCTIONS = {
    "choice": "Read the text and say which label it has.",
    "number": "Read the text and give the number that answers it.",
    "equation": "Read the text and give the expression that answers it.",
    "text": "Read the text and answer in a few words.",
}
_TEACHER = {
    "kind": "chat",
    "base_url": "https://api.openai.com/v1",
    "model": "gpt-4o-mini",
    "api_key_env": "OPENAI_API_KEY",
    "strategy": "zero-shot",
}
_NO_SPACE = """
`kind: text` takes any answer. For a choice, write `kind: choice` and `labels: [...]`."""


@dataclass(frozen=True)
class _Columns:
    """What the columns of a table hold; None for what no column holds."""

    identity: str | None
    gold: str | None
    inputs: list[str]
    others: list[str]


def init_from(
    source: Path,
    directory: Path,
    *,
    gold: str | None = None,
    answer: str | None = None,
    choose: Choose = None,
) -> Imported:
    """Write an experiment on the rows of a table, ready to plan.

    Args:
        source: A table; see ``read_table``.
        directory: A new or empty folder.
        gold: The column with the labels; None to find it.
        answer: The kind of answer, or the labels separated by commas; None to find out.
        choose: Asks the user if the table alone does not decide.

    Raises:
        ConfigError: if ``directory`` has something in it, or an option is needed or not valid.
        DataError: if the table cannot be read, or holds too few rows.
    """
    require_new(directory)
    table = read_table(source)
    columns = _find_columns(table, gold, choose)
    labels = _read_labels(table, columns.gold)
    space = read_wanted(answer) if answer else _find_space(labels)
    canonical = [None if label is None else space.canonical(label) for label in labels]
    names = _name_fields(columns.inputs)
    rows = _list_rows(table, columns, names, canonical, source.stem)
    if len(rows) < 2:
        raise DataError(f"{source}: holds fewer than two rows with text; give it more")
    texts = ["\n".join(str(row[name]) for name in names.values()) for row in rows]
    split = choose_test(texts, [GOLD in row for row in rows])
    files = split_files(rows, split.is_test)
    has_gold = any(GOLD in row for row in files[TRAIN])
    heading = _HEADING.format(name=source.name) + STUDENT_HINT + ("" if has_gold else _UNLABELLED)
    heading += "" if has_gold or answer else _NO_SPACE
    experiment = draft_experiment(
        list(names.values()),
        space,
        instruction=_INSTRUCTIONS[space.kind],
        has_test=TEST in files,
        teacher=_TEACHER,
        methods=[*(["finetune"] if has_gold else []), "label-distill", "step-by-step"],
    )
    file = write_experiment(directory, heading, experiment, files)
    outside = sum(b is None and a is not None for a, b in zip(labels, canonical, strict=True))
    left_out = {
        "rows without text": len(table.rows) - len(rows),
        "labels outside the answer space": outside,
    }
    found = _describe(table, columns, space, rows)
    return Imported.of(file, files, left_out, {**found, "near-duplicates": split.near_duplicates})


def _list_rows(
    table: Table,
    columns: _Columns,
    names: Mapping[str, str],
    labels: Sequence[str | None],
    stem: str,
) -> list[dict[str, object]]:
    """The rows that have text, each with an id and with its label, if it has one."""
    rows: list[dict[str, object]] = []
    for number, (row, label) in enumerate(zip(table.rows, labels, strict=True), 1):
        texts = {names[column]: _to_text(row.get(column)).strip() for column in columns.inputs}
        if any(texts.values()):
            given = _to_text(row.get(columns.identity or "")).strip()
            shown = {} if label is None else {GOLD: label}
            rows.append({"id": given or f"{stem}-{number}", **texts, **shown})
    return rows


def _describe(
    table: Table, columns: _Columns, space: Answer, rows: Sequence[Mapping[str, object]]
) -> dict[str, str]:
    counts = Counter(row[GOLD] for row in rows if GOLD in row)
    shown = ", ".join(f"{label} ({counts[label]:,})" for label in space.labels)
    read = f"{count(len(table.rows))} rows" + (f" in {table.found}" if table.found else "")
    aside = f"; not used: {', '.join(columns.others)}" if columns.others else ""
    return {
        "read": read,
        "input": ", ".join(columns.inputs) + aside,
        "labels": f"{columns.gold}, {space.kind}{': ' if shown else ''}{shown}"
        if columns.gold
        else "none found; name their column in --gold",
    }


def _find_columns(table: Table, gold: str | None, choose: Choose) -> _Columns:
    if gold is not None and gold not in table.columns:
        near = suggest(gold, table.columns) or f"; the columns are {', '.join(table.columns)}"
        raise ConfigError(f"--gold {gold!r}: there is no such column{near}")
    # An object is no text: 'serve --keep-requests' keeps its answers in one.
    objects = {name for row in table.rows for name in row if isinstance(row[name], dict)}
    cells = {name: [_to_text(row.get(name)).strip() for row in table.rows]
             for name in table.columns if name not in objects}  # fmt: skip
    identity = next((name for name in cells if _is_identity(name, cells[name])), None)
    rest = {name: found for name, found in cells.items() if name != identity}
    gold = gold or _choose_gold(rest, choose)
    texts = {name: found for name, found in rest.items() if name != gold and any(found)}
    if not texts:
        raise DataError(f"the columns {', '.join(table.columns)} hold no text to read; add one")
    inputs = [name for name, found in texts.items() if _mean_words(found) >= _WORDS]
    inputs = inputs or [max(texts, key=lambda name: _mean_words(texts[name]))]
    used = (identity, gold, *inputs)
    return _Columns(identity, gold, inputs, [name for name in table.columns if name not in used])


def _is_identity(name: str, cells: Sequence[str]) -> bool:
    return bool(_ID_NAME.search(name)) and all(cells) and len(set(cells)) == len(cells)


def _choose_gold(columns: Mapping[str, Sequence[str]], choose: Choose) -> str | None:
    """The column of labels: one with few values, or one that is named like labels."""
    few = [name for name, cells in columns.items() if _has_few(cells)]
    named = [name for name in few if _LABEL_NAME.search(name)]
    found = named or few or [
        name
        for name, cells in columns.items()
        if _LABEL_NAME.search(name) and _mean_words(cells) < _WORDS and any(cells)
    ]  # fmt: skip
    if len(found) < 2:
        return found[0] if found else None
    if choose is None:
        raise ConfigError(
            f"the columns {', '.join(found)} may each hold the labels; name one of them in --gold"
        )
    choices = [f"{name}: {', '.join(sorted(set(columns[name]))[:4])}, …" for name in found]
    return found[choose("Several columns may hold the labels. Take", choices)]


def _has_few(cells: Sequence[str]) -> bool:
    counts = Counter(fold(cell) for cell in cells if cell)
    often = sum(number for number in counts.values() if number > 1)
    short = all(len(cell) <= _LONGEST_LABEL for cell in cells)
    return short and 2 <= len(counts) <= MOST_LABELS and often >= 0.8 * counts.total()


def _read_labels(table: Table, gold: str | None) -> list[str | None]:
    """The label of each row, in the commonest of its spellings."""
    cells = [_to_text(row.get(gold)).strip() if gold else "" for row in table.rows]
    spelled: dict[str, Counter[str]] = {}
    for cell in filter(None, cells):
        spelled.setdefault(fold(cell), Counter())[cell] += 1
    return [spelled[fold(cell)].most_common(1)[0][0] if cell else None for cell in cells]


def _find_space(labels: Sequence[str | None]) -> Answer:
    counts = Counter(label for label in labels if label is not None)
    are_numbers = bool(counts) and all(_NUMBER.fullmatch(label) for label in counts)
    if are_numbers and len(counts) > _MOST_NUMBERS:
        return Answer("number")
    if len(counts) > 1 and _has_few(list(counts.elements())):
        return Answer("choice", tuple(label for label, _ in counts.most_common()))
    return Answer("text")


def _name_fields(columns: Sequence[str]) -> dict[str, str]:
    """Names for the input template, where a name is one word: ``Customer message`` → …"""
    names: dict[str, str] = {}
    for column in columns:
        plain = re.sub(r"\W+", "_", column.strip()).strip("_").lower()
        name = column if _PLAIN_NAME.fullmatch(column) else plain
        usable = _PLAIN_NAME.fullmatch(name) and name.lower() not in (*_RESERVED, "label")
        name = name if usable else f"text_{name}".rstrip("_")
        names[column] = name if name not in names.values() else f"{name}_{len(names) + 1}"
    return names


def _mean_words(cells: Sequence[str]) -> float:
    filled = [cell for cell in cells if cell]
    return sum(len(cell.split()) for cell in filled) / max(1, len(filled))


def _to_text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, default=str)
