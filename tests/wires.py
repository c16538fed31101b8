"""A reply and its task, for every kind of endpoint."""

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import RowFormat, Task

SAID = "It broke. So the answer is damage."
LABELS = ("damage", "question", "praise")
TASK = Task("Sort.", RowFormat("{{ message }}"), Answer("choice", LABELS))
