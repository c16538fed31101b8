"""Test rows as compact JSON, which the page parses only when they are shown.

Each row is a list, to save space::

    [id, text, options, gold, said, teacher's rationale, student's rationale]

``said`` has an entry ``[answer, right, who]`` for every distinct answer. The answer is null where
there was none; ``who`` holds indices into the list of everyone who answered.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from distilwhy.core.results import Case
from distilwhy.report.marks import TEACHER

CHUNK = 1000


def pack_cases(cases: Iterable[Case], who: Sequence[str]) -> Iterator[str]:
    """JSON for a thousand rows at a time, safe inside a script element.

    ``who`` is everyone who answered, including the teacher if it was asked.
    """
    places = {name: place for place, name in enumerate(who)}
    remaining = iter(cases)
    while some := [_pack(case, places) for case in islice(remaining, CHUNK)]:
        yield dump_json(some)


def dump_json(value: object) -> str:
    """JSON without ``<``, so that no tag can begin or end in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _pack(case: Case, places: dict[str, int]) -> list[object]:
    said: dict[tuple[str | None, bool], list[int]] = {}
    taught = {TEACHER: case.teacher} if TEACHER in case.right else {}
    for name, answer in (taught | dict(case.answers)).items():
        if name in places:
            right = case.right.get(name, False)
            said.setdefault((answer, right), []).append(places[name])
    return [
        case.id,
        case.text,
        list(case.options),
        case.gold,
        [[answer, int(right), who] for (answer, right), who in said.items()],
        case.teacher_rationale,
        case.student_rationale,
    ]
