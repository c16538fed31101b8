"""A teacher's completion, and what is read in it.

Reading is tolerant of what real teachers do, and never guesses: where two readings are
possible it says so, and the row trains nothing.

1. Thinking between ``<think>`` tags, and markdown emphasis, are taken away.
2. The text is cut where a made-up next question starts.
3. The answer is what follows the last "the answer is", "Answer:", ``####`` or ``\\boxed``;
   a teacher that answers twice has corrected itself. Failing all of these, a last line that
   is an answer and nothing else.
4. The rationale is what stands before it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from distilwhy.core.answer import fold, letter
from distilwhy.core.equation import (
    Equation,
    EquationError,
    Number,
    parse_leading_equation,
    render_equation,
    render_number,
)
from distilwhy.core.task import Example, Task

Outcome = Literal["ok", "unparsed", "refused", "truncated", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "unparsed", "refused", "truncated", "failed")


@dataclass(frozen=True)
class Completion:
    """What came back from the teacher for one prompt, raw.

    Attributes:
        text: The reply, exactly as it came.
        finish_reason: ``stop``, ``length``, ``refusal``, whatever the teacher said, or "".
        input_tokens: As the teacher counted them, if it did.
        output_tokens: As the teacher counted them, if it did.
        error: Why there is no reply, if the call failed for good.
    """

    text: str
    finish_reason: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class Annotation:
    """A completion, read.

    Attributes:
        example_id: The row.
        outcome: ``ok``, or why the row trains nothing.
        rationale: The reasons; "" where the teacher gave a label alone.
        label: The answer in canonical form; None unless ``ok``.
        problem: What kept it from being read; "" when ``ok``.
    """

    example_id: str
    outcome: Outcome
    rationale: str = ""
    label: str | None = None
    problem: str = ""


_THINK = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.S | re.I)
_OPEN_THINK = re.compile(r"<think(?:ing)?>", re.I)
_CLOSE_THINK = re.compile(r"^.*</think(?:ing)?>", re.S | re.I)
_EMPHASIS = re.compile(r"(\*\*|__|`)(?=\S)(.+?)(?<=\S)\1")
_NEXT_QUESTION = re.compile(
    r"\n\s*(?:#+\s*)?(?:Q|Question|Input|Problem|Example)\s*\d*\s*[:.]", re.I
)
_CUE = re.compile(
    r"(?:\b(?:so|therefore|thus|hence),?\s+)?"
    r"(?:\b(?:the|my|our)\s+(?:final\s+|correct\s+)?answer\s*(?:is\b\s*:?|:)"
    r"|(?:^|(?<=[\s.]))(?:final\s+)?answer\s*(?:is\b\s*:?|:)"
    r"|####|\\boxed)\s*",
    re.I,
)
_LETTERED = re.compile(r"^[(\[]?\s*([a-z]|\d{1,2})\s*(?:[)\].:]+|$)\s*(.*)$", re.I | re.S)
_REFUSAL = re.compile(
    r"^\W*(?:i['’]?m sorry|i am sorry|sorry,|i can(?:no|['’])t|i am (?:unable|not able)|as an ai)",
    re.I,
)
_NEGATED = re.compile(r"\b(?:not|neither|none|never)\b|n['’]t\b", re.I)
_NUMERAL = re.compile(r"-?(?:\d[\d,]*\.?\d*|\.\d+)")


class _Unreadable(ValueError):
    """Why an answer cannot be read."""


def parse_completion(
    task: Task, example: Example, completion: Completion, stop: Sequence[str] = ()
) -> Annotation:
    """Read a completion: never raises, whatever the text.

    Args:
        stop: Texts that end a reply, for a teacher that did not stop at them by itself.
    """
    if completion.error is not None:
        return Annotation(example.id, "failed", problem=completion.error)
    if completion.finish_reason in ("refusal", "content_filter"):
        return Annotation(example.id, "refused", problem=f"finish: {completion.finish_reason}")
    try:
        rationale, label = _read(task, example, completion.text, stop)
    except _Unreadable as error:
        return Annotation(example.id, _outcome(completion), problem=str(error))
    return Annotation(example.id, "ok", rationale, label)


def _outcome(completion: Completion) -> Outcome:
    if completion.finish_reason == "length":
        return "truncated"
    return "refused" if _REFUSAL.match(completion.text) else "unparsed"


def _read(task: Task, example: Example, text: str, stop: Sequence[str]) -> tuple[str, str]:
    body = _cut(_visible(text), stop)
    if not body:
        raise _Unreadable("the reply is empty")
    cues = list(_CUE.finditer(body))
    if not cues:
        return _read_last_line(task, example, body)
    cue = cues[-1]
    label = _read_label(task, example, _payload(body, cue))
    return _tidy(body[: cue.start()]), label


def _visible(text: str) -> str:
    shown = _CLOSE_THINK.sub("", _THINK.sub("", text))
    if unclosed := _OPEN_THINK.search(shown):
        shown = shown[: unclosed.start()]
    return _EMPHASIS.sub(r"\2", shown).strip()


def _cut(text: str, stop: Sequence[str]) -> str:
    ends = [at for mark in stop if mark and (at := text.find(mark)) > 0]
    if made_up := _NEXT_QUESTION.search(text):
        ends.append(made_up.start())
    return text[: min(ends)].strip() if ends else text


def _payload(body: str, cue: re.Match[str]) -> str:
    """What stands on the line of the cue after it, or on the next line if that is bare."""
    after = body[cue.end() :].strip()
    return after.split("\n", 1)[0].strip().strip("*$ ") if after else ""


def _tidy(text: str) -> str:
    return " ".join(re.sub(r"[#*]+\s*$", "", text).split())


def _read_last_line(task: Task, example: Example, body: str) -> tuple[str, str]:
    """A reply without a cue: its last line must be an answer, whole and alone."""
    before, _, last = body.rpartition("\n")
    label = task.answer.canonical(last.strip(" .*"), example.options)
    if label is None and task.answer.kind == "choice" and example.options:
        label = _lettered_choice(last.strip(" .*"), example.options)
    if label is None or task.answer.kind == "text":
        raise _Unreadable("no answer is stated")
    return _tidy(before), label


def _read_label(task: Task, example: Example, payload: str) -> str:
    if not payload:
        raise _Unreadable("the reply ends before its answer")
    kind = task.answer.kind
    if kind == "choice":
        _refuse_several(payload, task.answer.choices(example.options))
        if example.options and (label := _lettered_choice(payload, example.options)):
            return label
        return _mentioned_choice(payload, task.answer.choices(example.options))
    if kind == "number":
        return _stated_number(payload)
    if kind == "equation":
        return render_equation(_stated_equation(payload))
    text = task.answer.canonical(payload.rstrip(".").strip("\"'“”"))
    if text is None:
        raise _Unreadable("the answer is empty")
    return text


def _refuse_several(payload: str, choices: tuple[str, ...]) -> None:
    """``(a) mall or (d) shop`` is no answer, even though it starts with one."""
    sentence = re.split(r"(?<=[.!?])\s", payload, maxsplit=1)[0]
    for joint in re.finditer(r"\b(?:or|and)\b|/", sentence):
        before, after = sentence[: joint.start()], sentence[joint.end() :]
        if _ends_in_choice(before, choices) and _opens_with_choice(after, choices):
            raise _Unreadable(f"the answer names more than one choice: {sentence[:60]!r}")


def _ends_in_choice(text: str, choices: tuple[str, ...]) -> bool:
    return any(fold(text).endswith(fold(choice)) for choice in choices)


def _opens_with_choice(text: str, choices: tuple[str, ...]) -> bool:
    lettered = _LETTERED.match(text.strip())
    bare = lettered[2] if lettered and text.strip()[0] in "([" else text
    return any(_starts_with(bare, choice) for choice in choices)


def _lettered_choice(payload: str, options: tuple[str, ...]) -> str | None:
    """The option that ``(d)``, ``d.``, ``D`` or ``(d) math problem`` names; None if none.

    Raises:
        _Unreadable: if the letter names one option and the text another.
    """
    match = _LETTERED.match(payload.rstrip(". ") if len(payload) < 4 else payload)
    letters = [letter(i) for i in range(len(options))]
    if match is None or match[1].lower() not in letters:
        return None
    named = options[letters.index(match[1].lower())]
    if match[2].strip(" .") and not _starts_with(match[2], named):
        rival = [choice for choice in options if _starts_with(match[2], choice)]
        if rival:
            raise _Unreadable(f"the letter says {named!r}, the text {max(rival, key=len)!r}")
    return named


def _mentioned_choice(payload: str, choices: tuple[str, ...]) -> str:
    """The choice that the payload starts with, or else the only one that it mentions."""
    sentence = re.split(r"(?<=[.!?])\s", payload, maxsplit=1)[0]
    if leading := [choice for choice in choices if _starts_with(payload, choice)]:
        return max(leading, key=len)
    if _NEGATED.search(sentence):
        raise _Unreadable(f"the answer is a negation: {sentence[:60]!r}")
    mentioned = {choice for choice in choices if _mentions(sentence, choice)}
    longest = {c for c in mentioned if not any(_mentions(o, c) for o in mentioned - {c})}
    if len(longest) == 1:
        return longest.pop()
    what = "none of the choices" if not mentioned else "more than one choice"
    raise _Unreadable(f"the answer names {what}: {sentence[:60]!r}")


def _starts_with(text: str, choice: str) -> bool:
    start, wanted = fold(text), fold(choice)
    return bool(wanted) and re.match(re.escape(wanted) + r"(?!\w)", start) is not None


def _mentions(text: str, choice: str) -> bool:
    wanted = fold(choice)
    pattern = r"(?<!\w)" + re.escape(wanted) + r"(?!\w)"
    return bool(wanted) and re.search(pattern, fold(text)) is not None


def _stated_number(payload: str) -> str:
    sides = payload.split("=")
    text = sides[-1].replace("−", "-").replace("$", "").replace("€", "").replace("£", "")
    start = _NUMERAL.search(text)
    if start is None:
        raise _Unreadable(f"the answer is no number: {payload[:60]!r}")
    sentence = re.split(r"\.\s|\n|;", text[start.start() :], maxsplit=1)[0].rstrip(". ")
    try:
        equation, rest = parse_leading_equation(sentence)
    except EquationError as error:
        raise _Unreadable(f"the answer is no number: {error}") from None
    if _NUMERAL.search(rest):
        raise _Unreadable(f"the answer has several numbers: {payload[:60]!r}")
    return render_number(equation.value)


def _stated_equation(payload: str) -> Equation:
    """The equation of ``84 / 2``, ``(84 / 2)``, ``84 / 2 = 42``, ``x = 84 / 2`` or ``$84 / 2``."""
    cleaned = re.sub(r"\\(?:times|cdot)", "*", payload).replace("\\div", "/")
    cleaned = re.sub(r"[$€£]\s*", "", cleaned).strip("{} ")
    sides = [side.strip() for side in cleaned.split("=")]
    equations = [equation for side in sides if (equation := _side(side))]
    worked = [equation for equation in equations if not isinstance(equation, Number)]
    if not equations:
        raise _Unreadable(f"the answer is no equation: {payload[:60]!r}")
    return (worked or equations)[0]


def _side(text: str) -> Equation | None:
    sentence = re.split(r"\.\s|;", text, maxsplit=1)[0]
    try:
        equation, rest = parse_leading_equation(sentence)
    except EquationError:
        return None
    if re.search(r"\d|[-+*/(]\s*\w", rest):
        raise _Unreadable(f"only part of the answer is an equation: {text[:60]!r}")
    return equation
