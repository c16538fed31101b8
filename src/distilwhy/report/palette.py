"""The colour, point shape and dash of each method in charts."""

from dataclasses import dataclass, replace
from zlib import crc32

LIGHT = {
    "paper": "#fdfcf9",
    "ink": "#1c1b19",
    "muted": "#605d56",
    "rule": "#dedad1",
    "teal": "#0b6a75",
    "orange": "#b04f0a",
    "violet": "#6d4a9c",
    "green": "#3c7a1f",
    "rose": "#ab2f6c",
    "grey": "#807c73",
}
DARK = {
    "paper": "#151618",
    "ink": "#eceae4",
    "muted": "#a5a29a",
    "rule": "#37383b",
    "teal": "#5cc5d1",
    "orange": "#f0a05a",
    "violet": "#b9a0e6",
    "green": "#93c96b",
    "rose": "#ee8dbb",
    "grey": "#8f8c84",
}


@dataclass(frozen=True)
class Look:
    """How a method is drawn.

    Attributes:
        colour: A name in ``LIGHT`` and ``DARK``.
        control: Drawn dashed.
        leading: One of the main methods, drawn with intervals.
        hollow: Drawn with open points: it learns gold labels with the teacher's rationales.
    """

    colour: str
    shape: str
    control: bool = False
    leading: bool = False
    hollow: bool = False


_LOOKS = {
    "finetune": Look("ink", "square", leading=True),
    "label-distill": Look("orange", "diamond", leading=True),
    "step-by-step": Look("teal", "circle", leading=True),
    "rationale-input": Look("rose", "triangle-up"),
    "rationale-then-label": Look("violet", "triangle-right"),
    "label-then-rationale": Look("green", "triangle-down"),
    "blank-rationales": Look("grey", "circle", control=True),
    "shuffled-rationales": Look("grey", "square", control=True),
    "same-label-rationales": Look("grey", "diamond", control=True),
    "word-shuffled-rationales": Look("grey", "triangle-up", control=True),
    "keyword-rationales": Look("grey", "triangle-down", control=True),
}


_TEACHERS = ("violet", "orange", "green", "rose", "ink")


def look(method: str) -> Look:
    """The look of a method; its ``-gold`` form has open points, and ``method (teacher)`` the
    colour of a further teacher."""
    name, _, teacher = method.partition(" (")
    base = _LOOKS.get(name.removesuffix("-gold"), Look("grey", "cross"))
    found = replace(base, hollow=name.endswith("-gold"))
    return replace(found, colour=_teacher_colour(teacher)) if teacher else found


def _teacher_colour(name: str) -> str:
    return _TEACHERS[crc32(name.encode()) % len(_TEACHERS)]


OUTLINES = {
    "circle": "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0Z",
    "square": "M-4.5,-4.5h9v9h-9Z",
    "diamond": "M0,-6L4.5,0L0,6L-4.5,0Z",
    "triangle-up": "M0,-5L5.2,4.2H-5.2Z",
    "triangle-down": "M0,5L5.2,-4.2H-5.2Z",
    "triangle-right": "M5,0L-4.2,5.2V-5.2Z",
    "cross": "M-5,-1.7h3.3v-3.3h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3Z",
}
