"""Where a text names a choice."""

from typing import NamedTuple


class Mention(NamedTuple):
    """Where a text names a choice, or one of several that differ by case alone."""

    choices: frozenset[str]
    start: int
    end: int
    lettered: bool
