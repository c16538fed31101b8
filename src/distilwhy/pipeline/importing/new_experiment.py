"""Writes an experiment from rows that a user brings."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Row
from distilwhy.core.wording import one_line
from distilwhy.pipeline.near_duplicates import group_near_duplicates
from distilwhy.store.files import publish_jsonl, publish_text

TRAIN, TEST, GOLD = "train.jsonl", "test.jsonl", "label"
TEST_SHARE = 0.2
STUDENT_HINT = """\
`model: scratch` needs no download. A pretrained one, such as google/flan-t5-small, learns more from
few rows; give it a learning rate of 3.0e-4."""
_SHOWN = 70


@dataclass(frozen=True)
class Imported:
    """What was written, and what was left out.

    Attributes:
        file: The experiment file.
        rows: The number of rows in each file of rows, by split.
        left_out: Why rows were left out, with how many.
        found: What was found out about the data, by subject.
    """

    file: Path
    rows: dict[str, int]
    left_out: dict[str, int]
    found: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        file: Path,
        files: Mapping[str, Sequence[Row]],
        left_out: Mapping[str, int],
        found: Mapping[str, str],
    ) -> "Imported":
        """From all files written; leaves out reasons without rows and subjects without text."""
        return cls(
            file,
            {n.removesuffix(".jsonl"): len(files[n]) for n in (TRAIN, TEST) if n in files},
            {why: number for why, number in left_out.items() if number},
            {subject: text for subject, text in found.items() if text},
        )


@dataclass(frozen=True)
class TestSplit:
    """Rows set apart for test.

    Attributes:
        is_test: For each row whether it is one of them.
        near_duplicates: What was found about near-duplicates, in words; "" if there are none.
    """

    is_test: list[bool]
    near_duplicates: str


def choose_test(texts: Sequence[str], can_test: Sequence[bool]) -> TestSplit:
    """Set rows apart for test, ``TEST_SHARE`` of those that can be.

    Near-duplicates stay together, so none in test has one in train. Which rows are chosen depends
    on their texts alone.
    """
    groups = group_near_duplicates(texts)
    wanted, is_test = round(TEST_SHARE * sum(can_test)), [False] * len(texts)
    for group in sorted(groups, key=lambda group: sha256(texts[group[0]].encode()).digest()):
        if len(group) <= wanted and all(can_test[member] for member in group):
            wanted -= len(group)
            for member in group:
                is_test[member] = True
    return TestSplit(is_test, _describe_groups(groups, texts, is_test))


def _describe_groups(
    groups: Sequence[Sequence[int]], texts: Sequence[str], is_test: Sequence[bool]
) -> str:
    several = [group for group in groups if len(group) > 1]
    if not several:
        return ""
    rows, in_train = sum(map(len, several)), [g for g in several if not is_test[g[0]]]
    one, other = (one_line(texts[member], _SHOWN) for member in several[0][:2])
    return (
        f"{rows:,} rows in {len(several):,} groups, each kept whole in train ({len(in_train):,}) "
        f"or in test ({len(several) - len(in_train):,}), such as {one!r} and {other!r}"
    )


def split_files(rows: Iterable[Row], is_test: Sequence[bool]) -> dict[str, list[Row]]:
    """The rows of ``train.jsonl`` and ``test.jsonl``; a file without rows is left out."""
    files: dict[str, list[Row]] = {TRAIN: [], TEST: []}
    for row, tested in zip(rows, is_test, strict=True):
        files[TEST if tested else TRAIN].append(row)
    return {name: lines for name, lines in files.items() if lines}


def draft_experiment(
    fields: Sequence[str],
    answer: Answer,
    *,
    instruction: str,
    has_test: bool,
    teacher: Mapping[str, Any],
    methods: Sequence[str],
) -> dict[str, Any]:
    """An experiment file for rows with these fields, with a student that needs no download."""
    template = "\n".join(f"{name}: {{{{ {name} }}}}" for name in fields)
    labels = {"labels": list(answer.labels)} if answer.labels else {}
    return {
        "task": {
            **({"instruction": instruction} if instruction else {}),
            "input": template if len(fields) > 1 else f"{{{{ {fields[0]} }}}}",
            "gold": GOLD,
            "answer": {"kind": answer.kind, **labels},
        },
        "data": {"train": TRAIN, "validation": 0.1, **({"test": TEST} if has_test else {})},
        "teacher": dict(teacher),
        "student": {"model": "scratch"},
        "training": {"steps": 1000, "lr": 1e-3},
        "methods": list(methods),
        "seeds": [0],
    }


def write_experiment(
    directory: Path, heading: str, experiment: Mapping[str, Any], files: Mapping[str, Sequence[Row]]
) -> Path:
    """Write an experiment file and the files of rows that it names; returns its path."""
    for name, rows in files.items():
        publish_jsonl(directory / name, rows)
    comment = "".join(f"# {line}\n" for line in heading.splitlines())
    text = yaml.dump(experiment, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    publish_text(directory / "experiment.yaml", f"{comment}\n{text}")
    return directory / "experiment.yaml"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)
# The reader takes 1e5 for a number too.
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\.?\d+\.?\d*[eE][-+]?\d+$"), list("-+.0123456789")
)
