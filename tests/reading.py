"""Reads a reply, for the tests of how replies are read."""

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task

OPTIONS = ("park", "mall", "office", "go home", "go")
STOP = ("\n\nQ:",)


def read(
    kind: str,
    text: str,
    options: tuple[str, ...] = (),
    *,
    labels: tuple[str, ...] = (),
    finish: str = "stop",
    stop: tuple[str, ...] = STOP,
    template: str = "{{ q }}",
) -> Annotation:
    task = Task("", RowFormat(template), Answer(kind, labels))
    return parse_completion(task, Example("7", "q", options), Completion(text, finish), stop)


def choose(text: str, **changes: object) -> Annotation:
    return read("choice", text, OPTIONS, **changes)
