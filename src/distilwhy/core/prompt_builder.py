"""Builds the prompts of a task under one prompting strategy."""

from dataclasses import replace
from functools import lru_cache
from typing import Literal

from distilwhy.core.exemplars import Draw, Indices, draw_exemplars
from distilwhy.core.prompt import Prompt, PromptPrefix, ask_for_steps, render_prefix, render_prompt
from distilwhy.core.task import Example, Task

Strategy = Literal["few-shot", "zero-shot", "explain-label"]

PREFIXES_KEPT = 1024


class PromptBuilder:
    """Builds prompts. A row's prompt depends on no other row.

    Where exemplars are drawn, each row may have its own prefix; the last ``PREFIXES_KEPT`` are
    cached. ``task`` is the task as it is asked: without exemplars if none are shown.

    Args:
        count: How many exemplars are drawn for a row.
        structured: Whether replies must be JSON objects.
    """

    def __init__(
        self,
        task: Task,
        strategy: Strategy = "few-shot",
        draw: Draw = "fixed",
        count: int = 0,
        *,
        structured: bool = False,
    ) -> None:
        bare = strategy == "zero-shot" or (strategy == "explain-label" and not task.exemplars)
        self.task = ask_for_steps(task, structured=structured) if bare else task
        self._structured = structured
        pool = [exemplar.example.text for exemplar in self.task.exemplars]
        self._choose = draw_exemplars(pool, draw, count)
        self._prefix = lru_cache(PREFIXES_KEPT)(self._render_prefix)

    def prompt(self, example: Example, *, show_gold: bool = False) -> Prompt:
        """The prompt for a row; with ``show_gold`` it asks why the gold label is right."""
        return render_prompt(self._prefix(self._choose(example.text), show_gold), example)

    def _render_prefix(self, shown: Indices, show_gold: bool) -> PromptPrefix:
        exemplars = tuple(self.task.exemplars[index] for index in shown)
        task = replace(self.task, exemplars=exemplars)
        return render_prefix(task, show_gold=show_gold, structured=self._structured)
