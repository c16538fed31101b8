"""Reading takes time in proportion to the length of a reply, whatever stands in it."""

import itertools
import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task
from reading import OPTIONS, read

SHORT, LONG = 5_000, 50_000
# Ten times the text takes a linear reader about ten times as long, and a quadratic one a hundred.
GROWTH = 30
# A long text that is read in less than this, or a short one in a tenth of it, is fast enough: to
# compare such times would be to compare noise.
FLOOR_S = 0.1
# A reader that is stuck is stopped after this many seconds of computing, so that it fails.
ALARM_S = 5

# Texts to repeat: what some reader has been slow on, and what resembles it.
BLANKS = ["\n", " ", "\t", "\n ", "\r\n", "\u2028", "\n\n\n#", "\n> ", ".\n"]
MARKS = ["#", ",", "`", ":", ";", "*", "**", "_", "__", "~~", "-", "> ", "# ", "- ", "$", "$$", "|"]
BRACKETS = ["(", ")", "[", "{", "}", "<", "\\[", "\\(", "{}", "(b)", "<think>", "</think>", "<｜"]
NUMBERS = ["1", "1,", "1,234", ",123", "1 and ", "1; ", "1+", "1/0 ", "1-", ".5", "((1", "(1+1"]
LATEX = ["\\frac{", "\\frac{1}", "\\boxed{", "\\boxed", "\\text{", "\\a", "\\a{", "^\\circ"]
CUES = [
    "the answer is ", "The answer must be ", "the answer must be (1" + "+1" * 90, "if ",
    "if the answer must be ", "unless ", "so ", "so\n", "final ", "most ", "answer", "answer\n",
    "Answer: ", "## Answer\n", "#### ", "#### 1\n", "not sure ", "<answer>", "the best option ",
]  # fmt: skip
WORDS = [
    "wait", "\nwait", "no ", "no\n", "hmm, ", " - ", "Q:", "\nQ: ", "\nQ", "\nQ: q", "\nProblem 1.",
    "because ", " because of", "sorry ", "I can't ", "A:", "park ", "B ", "a", "It is. ", "x",
    '"', "“", "é", "中", "：", "。", "```", "\n```", "```\n", "<b>", '{"', '{"a":', "\u0301", "🙂",
]  # fmt: skip
MIXTURES = [
    "#,", "*-", "#$$", "-\n", " - \n", "\n#\n", "\n \n", "**1**1", "_a_ ", "`a", "(\n", "~~a",
    "✅", "🙂 ", ". ✅ ", "a: ✓\n", "</a>", "! ", ".", "\nconfidence: 0.9", "| a | b |\n",
    "queue: ",
    "\n---\n", "\n\nPair 2\n", "\n#5 ", "\n\nExercise 7. ", "**12** ",
    "Answer: a **7** b\n",
    "\n```x y", "so\n#", ". no\nno", "1 = ", "the answer is\n\n", "if if ", "  because", "\n1. ",
]  # fmt: skip
UNITS = [*BLANKS, *MARKS, *BRACKETS, *NUMBERS, *LATEX, *CUES, *WORDS, *MIXTURES]

REPLY = "It rains, so one stays in. So the answer is (b) mall."
ANSWER = " The answer is 42."
FRAMES = {
    "alone": ("", ""),
    "after a reply": (REPLY, ""),
    "before an answer": ("It rains. ", ANSWER),
    "before a reason": ("It rains. ", "One stays in. The answer is 42."),
    "within an answer": ("It rains. The answer is ", "."),
    "before what must be": ("It rains. ", " the answer must be 42"),
    "after an object": ('{"rationale": "It rains.", "answer": "42"}', ""),
}


READERS: dict[str, Callable[[str], object]] = {
    "labels": lambda text: read("choice", text, labels=("mall", "42")),
    "options": lambda text: read("choice", text, OPTIONS),
    "headed": lambda text: read("choice", text, OPTIONS, template="Ticket: {{ q }}\nQueue:"),
    "number": lambda text: read("number", text),
    "equation": lambda text: read("equation", text),
    "text": lambda text: read("text", text),
}
ANSWERS = {
    "choice": Answer("choice", OPTIONS),
    "number": Answer("number"),
    "equation": Answer("equation"),
    "text": Answer("text"),
}


def framed(unit: str, size: int, frame: str) -> str:
    head, tail = FRAMES[frame]
    return head + unit * (size // len(unit)) + tail


def as_rationale(unit: str, size: int) -> str:
    return json.dumps({"rationale": framed(unit, size, "before an answer"), "answer": "42"})


def as_answer(unit: str, size: int) -> str:
    return json.dumps({"rationale": "It rains.", "answer": framed(unit, size, "alone")})


def seconds(reader: Callable[[str], object], text: str) -> float:
    start = time.process_time()
    reader(text)
    return time.process_time() - start


def check(
    what: str,
    reader: Callable[[str], object],
    build: Callable[[int], str],
    *,
    screened: bool = False,
) -> None:
    """Fails where a reader's time grows faster than its text.

    Args:
        screened: Whether a short text that is read at once is enough.
    """
    short = long = math.inf
    try:
        with stopped_after(ALARM_S):
            for _ in range(3):
                short = min(short, seconds(reader, build(SHORT)))
                if screened and short < FLOOR_S / 10:
                    return
                long = min(long, seconds(reader, build(LONG)))
                if long < FLOOR_S or long < GROWTH * short:
                    return
    except Stuck:
        pytest.fail(f"{what}: not done after {ALARM_S} s")
    pytest.fail(f"{what}: {short:.3f} s for {SHORT} characters, {long:.3f} s for {LONG}")


class Stuck(BaseException):
    """A reader took so long that it was stopped."""


@contextmanager
def stopped_after(alarm_s: float) -> Iterator[None]:
    """Regular expressions look for signals as they search, so this stops them as well."""

    def stop(*_: object) -> None:
        raise Stuck

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, alarm_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("unit", UNITS)
def test_a_reply_is_read_in_linear_time(unit):
    # Each unit meets each frame, and the readers take turns.
    readers = itertools.cycle(READERS.items())
    for _ in range(UNITS.index(unit) % len(READERS)):
        next(readers)
    builds = {frame: partial(framed, unit, frame=frame) for frame in FRAMES}
    builds |= {"a rationale": partial(as_rationale, unit), "an answer": partial(as_answer, unit)}
    for (form, build), (kind, reader) in zip(builds.items(), readers, strict=False):
        check(f"{unit!r} {form}, read for {kind}", reader, build, screened=form != "alone")


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_label_is_put_in_canonical_form_in_linear_time(kind):
    for unit in UNITS:
        check(f"{unit!r}", ANSWERS[kind].canonical, partial(framed, unit, frame="alone"))


@pytest.mark.parametrize(
    ("head", "first", "second", "tail"),
    [
        ("It rains. ", "\n", "Q", ANSWER),
        ("It rains. ", " ", "\n", ANSWER),
        ("It rains. ", "no ", "\n", ANSWER),
        ("It rains. ", "#", "$$", ANSWER),
        ("It rains. ", "#$$", ",", "x" + ANSWER),
        ("It rains. ", "if ", "unless ", ". The answer must be 42."),
        ("The answer is Paris", " ", "\t", "x"),
        ("The answer is 42.", "\nno", "\n", ""),
        (" ", "so", "\n", "x"),
    ],
)
def test_runs_of_two_kinds_are_read_in_linear_time(head, first, second, tail):
    def build(size: int) -> str:
        half = size // 2
        return head + first * (half // len(first)) + second * (half // len(second)) + tail

    for kind, reader in READERS.items():
        check(f"{first!r}, then {second!r}, read for {kind}", reader, build)


def test_a_long_row_asked_over_and_over_is_compared_in_linear_time():
    task = Task("", RowFormat("{{ q }}"), Answer("number"))

    def ask(text: str) -> None:
        parse_completion(task, Example("7", text), Completion(text))

    check("its own question", ask, lambda size: "\nQ: how many" * (size // 12))


def test_a_banner_before_an_answer_is_no_part_of_the_rationale():
    banner = "#" * 1000 + "`,:;*" * 1000
    assert read("number", f"It rains.\n{banner}\nThe answer is 42.").rationale == "It rains."


@pytest.mark.parametrize("middle", [" It pours.", "\n", "(", "the answer is (a) park. "])
def test_of_a_very_long_reply_the_start_and_the_end_are_read(middle):
    text = f"It rains. {middle * (1_000_000 // len(middle))}\n\nSo the answer is (b) mall."
    start = time.process_time()
    found = read("choice", text, OPTIONS)
    assert time.process_time() - start < 1
    if "answer" not in middle:
        assert found.label == "mall"
        assert len(found.rationale) < 20_000


def test_importing_the_parser_reads_no_file():
    code = (
        "import distilwhy.core.parsing.parse, distilwhy.core.parsing.cues as cues\n"
        "assert cues._tables.cache_info().currsize == 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
