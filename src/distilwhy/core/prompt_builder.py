"""Who words the prompts of a task, in one way to ask."""

from dataclasses import replace
from functools import lru_cache
from typing import Literal

from distilwhy.core.exemplars import Draw, Places, draw_exemplars
from distilwhy.core.prompt import Head, Prompt, ask_for_steps, render_head, render_prompt
from distilwhy.core.task import Example, Task

Strategy = Literal["few-shot", "zero-shot", "explain-label"]

HEADS = 1024


class PromptBuilder:
    """Words prompts: the same one for the same row, whatever other rows there are.

    Heads differ by row where exemplars are drawn, so no more than the last ``HEADS`` are kept.

    Args:
        strategy: ``zero-shot`` shows no exemplars; ``explain-label`` shows none where the task
            has none.
        draw: How exemplars are chosen for a row.
        count: How many are drawn.
        structured: Whether replies are to be JSON objects.

    Attributes:
        task: The task as it is asked: without exemplars where none are shown.
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
        pool = [exemplar.example.text for exemplar in self.task.exemplars]
        self._choose = draw_exemplars(pool, draw, count)
        self._head = lru_cache(HEADS)(self._render_head)

    def prompt(self, example: Example, *, tells: bool = False) -> Prompt:
        """What asks about a row.

        Args:
            tells: Tell the teacher the gold label and ask why it is right.
        """
        return render_prompt(self._head(self._choose(example.text), tells), example)

    def _render_head(self, places: Places, tells: bool) -> Head:
        shown = tuple(self.task.exemplars[place] for place in places)
        return render_head(replace(self.task, exemplars=shown), explains=tells)
