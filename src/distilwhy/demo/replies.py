"""What the scripted teacher replies to a question: mostly right, with a real teacher's faults.

A SHA-256 of the question decides everything, so a reply depends neither on the order of the
questions nor on how often one is asked.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from distilwhy.demo import arithmetic, helpdesk
from distilwhy.errors import DataError

WRONG_RATE = 0.12
REFUSED_RATE = 0.005
RAMBLING_RATE = 0.01
CUT_OFF_RATE = 0.01
BUSY_RATE = 0.02
BROKEN_RATE = 0.01
RUNS_ON_RATE = 0.15

_REFUSAL = "I'm sorry, but I can't help with that request."
_RAMBLING = (
    "There is a lot to say about this. It could be one thing or it could be another, and one "
    "would have to look into it more closely before anything can be decided."
)
_UNKNOWN = "I was scripted for two kinds of question only, and this is neither of them."
_CLOSINGS = (
    "So the answer is {}.",
    "So the answer is {}.",
    "So the answer is {}.",
    "The answer is {}.",
    "Therefore, the answer is {}.",
    "\n**Answer:** {}",
    "\nAnswer: {}",
)
_RUNS_ON = (
    "\n\nQ: My old lamp flickers at night. Our contract is Bronze."
    "\nA: A lamp is none of our products. So the answer is Accounts."
)


@dataclass(frozen=True)
class ScriptedReply:
    """The text of a reply, and why it ended."""

    text: str
    finish_reason: Literal["stop", "length"] = "stop"


def question_sha(question: str) -> str:
    """The hexadecimal SHA-256 of a question without its outer white space."""
    return hashlib.sha256(question.strip().encode()).hexdigest()


def reply_to(question: str) -> ScriptedReply:
    """The teacher's reply to ``question``."""
    draw = _draw(question, "habit")
    if draw < REFUSED_RATE:
        return ScriptedReply(_REFUSAL)
    if draw < REFUSED_RATE + RAMBLING_RATE:
        return ScriptedReply(_RAMBLING)
    answer = _answer(question)
    if answer is None:
        return ScriptedReply(_UNKNOWN)
    rationale, label = answer
    if draw < REFUSED_RATE + RAMBLING_RATE + CUT_OFF_RATE:
        return ScriptedReply(rationale[: len(rationale) * 2 // 3], "length")
    return ScriptedReply(_phrase(question, rationale, label))


def first_status(question: str) -> int:
    """The HTTP status of the first attempt at ``question``: 200, 429 (busy) or 500 (broken)."""
    draw = _draw(question, "failure")
    if draw < BUSY_RATE:
        return 429
    return 500 if draw < BUSY_RATE + BROKEN_RATE else 200


def stop_at(reply: ScriptedReply, stops: Sequence[str]) -> ScriptedReply:
    """The reply up to the first stop string in it."""
    found = [at for stop in stops if stop and (at := reply.text.find(stop)) >= 0]
    return ScriptedReply(reply.text[: min(found)], "stop") if found else reply


def cut_to(reply: ScriptedReply, max_tokens: int | None) -> ScriptedReply:
    """The reply cut off after ``max_tokens``, as ``estimate_tokens`` counts them."""
    if max_tokens is None or estimate_tokens(reply.text) <= max_tokens:
        return reply
    return ScriptedReply(reply.text[: max_tokens * 4], "length")


def estimate_tokens(text: str) -> int:
    """A count of tokens that needs no tokenizer: characters / 4, rounded up."""
    return -(-len(text) // 4)


def _draw(question: str, purpose: str) -> float:
    """A pseudo-random number in [0, 1) that depends only on the question and the purpose."""
    digest = hashlib.sha256(f"{purpose}\0{question.strip()}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _pick(question: str, purpose: str) -> int:
    return int(_draw(question, purpose) * 1_000_000)


def _answer(question: str) -> tuple[str, str] | None:
    """The rationale and the label; None if the question belongs to neither task."""
    wrong = _draw(question, "wrong") < WRONG_RATE
    tasks = (helpdesk.solve, helpdesk.misread), (arithmetic.solve, arithmetic.misread)
    for solve, misread in tasks:
        try:
            return misread(question, _pick(question, "misreading")) if wrong else solve(question)
        except DataError:
            continue
    return None


def _phrase(question: str, rationale: str, label: str) -> str:
    closing = _CLOSINGS[_pick(question, "closing") % len(_CLOSINGS)].format(label)
    gap = "" if closing.startswith("\n") else " "
    more = _RUNS_ON if _draw(question, "runs on") < RUNS_ON_RATE else ""
    return f"{rationale}{gap}{closing}{more}"
