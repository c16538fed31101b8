"""What the scripted teacher replies to a question: mostly right, with a real teacher's faults.

A SHA-256 of the question decides everything, so a reply depends neither on the order of the
questions nor on how often one is asked.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Literal

from distilwhy.demo import arithmetic, helpdesk, korean
from distilwhy.errors import DataError

WRONG_RATE = 0.12
REFUSED_RATE = 0.005
RAMBLING_RATE = 0.01
CUT_OFF_RATE = 0.01
BUSY_RATE = 0.02
BROKEN_RATE = 0.01
RUNS_ON_RATE = 0.15

_UNKNOWN = "I was scripted for the shipped tasks only, and this belongs to none of them."


@dataclass(frozen=True)
class _Language:
    """How a teacher writes in one language.

    Attributes:
        forms: Replies with ``{why}``, ``{label}`` and perhaps ``{letter}``, that of the label.
        runs_on: What may follow a reply: a next row, made up.
    """

    forms: tuple[str, ...]
    refusal: str
    rambling: str
    runs_on: str


_ENGLISH = _Language(
    (
        "{why} So the answer is {label}.",
        "{why} So the answer is {label}.",
        "{why} So the answer is {label}.",
        "{why} The answer is {label}.",
        "{why} Therefore, the answer is {label}.",
        "{why}\n**Answer:** {label}",
        "{why}\nAnswer: {label}",
    ),
    "I'm sorry, but I can't help with that request.",
    "There is a lot to say about this. It could be one thing or it could be another, and one "
    "would have to look into it more closely before anything can be decided.",
    "\n\nQ: My old lamp flickers at night. Our contract is Bronze."
    "\nA: A lamp is none of our products. So the answer is Accounts.",
)
_KOREAN = _Language(
    (
        "{why} 따라서 정답은 {label}입니다.",
        "{why} 따라서 정답은 {label}입니다.",
        "{why} 그러므로 답은 {label}입니다.",
        "{why} 따라서 정답은 ({letter}) {label}입니다.",
        "{why}\n\n**정답:** {label}",
        "{why}\n정답: {label}",
        "{why}\n\n최종 답: **{label}**",
        "정답은 {label}입니다. {why}",
        "**정답: {label}**\n\n이유: {why}",
        '{{"rationale": "{why}", "answer": "{label}"}}',
        '```json\n{{"rationale": "{why}", "answer": "{label}"}}\n```',
        "풀이: {why}\n결론: {label}",
    ),
    "죄송하지만 그 요청은 도와드릴 수 없습니다.",
    "여러 가지로 볼 수 있는 문의입니다. 더 자세한 사정을 들어 보아야 알 수 있을 것 같습니다.",
    "\n\nQ: 주문한 우산 건이에요. 아직 오지 않았어요."
    "\nA: 우산은 저희 상품이 아닙니다. 따라서 정답은 배송입니다.",
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
    answer = _answer(question)
    if answer is None:
        return ScriptedReply(_UNKNOWN)
    language, rationale, label = answer
    draw = _draw(question, "habit")
    if draw < REFUSED_RATE:
        return ScriptedReply(language.refusal)
    if draw < REFUSED_RATE + RAMBLING_RATE:
        return ScriptedReply(language.rambling)
    if draw < REFUSED_RATE + RAMBLING_RATE + CUT_OFF_RATE:
        return ScriptedReply(rationale[: len(rationale) * 2 // 3], "length")
    return ScriptedReply(_phrase(question, language, rationale, label))


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


def _answer(question: str) -> tuple[_Language, str, str] | None:
    """The language, the rationale and the label; None if the question belongs to no task."""
    wrong = _draw(question, "wrong") < WRONG_RATE
    tasks = (
        (_ENGLISH, helpdesk.solve, helpdesk.misread),
        (_ENGLISH, arithmetic.solve, arithmetic.misread),
        (_KOREAN, korean.solve, korean.misread),
    )
    for language, solve, misread in tasks:
        try:
            right = solve(question)
        except DataError:
            continue
        return language, *(misread(question, _pick(question, "misreading")) if wrong else right)
    return None


def _phrase(question: str, language: _Language, rationale: str, label: str) -> str:
    form = language.forms[_pick(question, "closing") % len(language.forms)]
    letter = ascii_lowercase[korean.TEAMS.index(label)] if "{letter}" in form else ""
    more = language.runs_on if _draw(question, "runs on") < RUNS_ON_RATE else ""
    return form.format(why=rationale, label=label, letter=letter) + more
