"""A teacher's completion, and what is read in it.

Reading is tolerant of what real teachers do, and never guesses: where two readings are
possible it says so, and the row trains nothing.

1. Thinking between ``<think>`` tags, and markdown emphasis, are taken away.
2. The text is cut where a made-up next question starts. The row's own, asked over again before
   there is an answer, is not made up.
3. What is left may be a JSON object with a ``rationale`` and an ``answer``. Else:
4. The answer is what follows the last "the answer is", "Answer:", ``####`` or ``\\boxed``;
   a teacher that answers twice has corrected itself. Failing all of these, a last line that
   is an answer and nothing else; failing that, but not for text, "the answer must be".
5. The rationale is what stands before it.
"""

import json
import re
from collections.abc import Sequence

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.clean import bare, visible
from distilwhy.core.parsing.completion import TOO_LONG, Annotation, Completion, Outcome
from distilwhy.core.parsing.statement import read_statement, whole_statement
from distilwhy.core.task import Example, Task

_LONGEST_LABEL = 200
_LONGEST_QUESTION = 5000

# A reply may be anything, such as thousands of blank lines, and each pattern has to take linear
# time on it: none may scan a run of characters again from each position in the run.
_NEXT_QUESTION = re.compile(
    r"\n\s*+(?:(?P<asks>(?:#+\s*)?"
    r"(?:Q|Question|Input|Problem|Example|Exercise|Instruction|Human|User)"
    r"\s*+\d*+\s*+[:.)])|)",  # an empty match still consumes the blank lines
    re.I,
)
_WORD = re.compile(r"\w+")
_QUALITY = r"(?:final|correct|best|right|short|closest|(?:most\s+)?likely|most\s+\w+)\s+"
_CUE = re.compile(
    r"(?:\b(?P<so>so|therefore|thus|hence|finally),?\s+)?(?:"
    rf"(?<![\w-])(?:(?:the|my|our|its)\s+)?(?:{_QUALITY}){{0,3}}(?:answer|ans)(?:\s+(?:choice|option))?"
    r"(?:\s+(?:to|for)\s+(?:this|the|that)\s+(?:\w+\s+)?(?:question|problem))?"
    r"\s*(?:is\b\s*:?|(?P<must>(?:must|should|would|will|has to) be\b)|[:=])"
    rf"|(?<![\w-])(?:(?:the|my|our)\s+)?{_QUALITY}(?:option|choice)\s*(?:is\b\s*:?|:)"
    r"|^(?:#|[^\S\n])*(?:final\s+|correct\s+)?answer[\s#]*$"
    r"|<answer>|(?P<hashes>^\#{4}(?!\#)|(?<=\s)\#{4}(?!\#))|(?P<box>\\boxed|\\fbox)"
    r")\s*",
    re.I | re.M,
)
_SUPPOSED = re.compile(
    r"(?:(?:n['’]t|\bnot)\s+(?:think|believe|say|sure|certain|clear|confident|mean|agree|know)\s+"
    r"(?:that\s+|if\s+|whether\s+)?|\b(?:if|whether|unless|suppose|assuming)\s+(?:that\s+)?)$",
    re.I,
)
_CONDITION = re.compile(r"\b(?:if|unless|otherwise|were|suppose|assuming)\b", re.I)
_SENTENCE_END = re.compile(r"[.!?\n]")
_TAKEN_BACK = re.compile(
    r"(?:^|[.!?\n(—]|\s-\s)[^\S\n]*+(?:(?:but|oh|hmm|no),?[^\S\n]+)*"
    r"(?:wait\b|no, (?:(?:it|that|the)\b|[\d($])|(?:hmm+|oh),? no\b"
    r"|hold on|actually|correction\b|scratch that|on second thought"
    r"|let me (?:re|double|correct|fix)|i made an? (?:mistake|error)|i was wrong|(?:i|my) apolog)",
    re.I,
)
_ASKED = re.compile(r"(?:[^.!?\n]|\.(?=\w))*\?\W*(?:no|not|nope|wrong|wait|hmm?|maybe)\b", re.I)
_NO_ANSWER = re.compile(r"\W*(?:explanation|reason(?:ing|s)?|rationale|because|note)\b", re.I)
_OPENING = re.compile(
    r"^(?:A|assistant|rationale|reason(?:ing|s)?|explanation|thought|analysis)\s*:\s*", re.I
)
# Matched against the reversed text.
_CLOSING = re.compile(r"(?:[-$*#>]++(?=\s|\Z)|(?:[#*`,;:\s<]|\$\$|[\[(]\\|\()+)*")
_COMPLETE = re.compile(r"\n|[^\d\s][.!?][\s\"'*)]*$|[.!?]\s")
_COMPLETE_TEXT = re.compile(r"\n")  # a text may go on after a full stop, as "Mr." does
_SENTENCE_START = re.compile(r"(?:^|[.!?:\n])\W*$")
_LIST_MARK = re.compile(r"^[^\S\n]*\d{1,2}[.)](?=\s|$)", re.M)
_REFUSAL = re.compile(
    r"^\W*(?:i['’]?m (?:so )?sorry|i am sorry|sorry[,.]|unfortunately, i|as an ai"
    r"|i (?:can(?:no|['’])t|won['’]t|will not)|i(?:['’]m| am) (?:unable|not able))",
    re.I,
)
_FENCE = re.compile(r"(?:[^\n{}`]{0,100}:\s*)?```(?:json)?\s*", re.I)
_OBJECT = re.compile(r'\{\s*"')
_REASON = re.compile(r"\b(?:because|since|as|given|for|due)\b", re.I)
_JSON = json.JSONDecoder(strict=False, parse_int=str, parse_float=str, parse_constant=str)
_CUT_SHORT = frozenset(
    {"length", "max_tokens", "model_length", "model_context_window_exceeded", "pause_turn"}
)
_REFUSED = frozenset(
    {"refusal", "content_filter"}
    | {"safety", "recitation", "prohibited_content", "blocklist", "spii", "language"}
    | {"image_safety", "model_armor"}
)


def parse_completion(
    task: Task, example: Example, completion: Completion, stop: Sequence[str] = ()
) -> Annotation:
    """Read a completion up to the first stop text: never raises, whatever the text."""
    if completion.error is not None:
        return Annotation(example.id, "failed", problem=completion.error)
    finish = completion.finish_reason.lower()
    if finish == TOO_LONG:
        return Annotation(example.id, "truncated", problem=completion.text)
    if finish in _REFUSED:
        return Annotation(example.id, "refused", problem=f"finish: {completion.finish_reason}")
    shown = visible(completion.text)
    body = _cut(shown, stop, example.text)
    # Where more follows than is read, it was not the answer that the limit cut.
    cut_short = finish in _CUT_SHORT and len(body) == len(shown)
    try:
        found = _read_object(task, example, _cut(bare(completion.text), stop))
        rationale, label = found or _read(task, example, body, cut_short=cut_short)
    except Unreadable as error:
        return Annotation(example.id, _outcome(finish, shown), problem=str(error))
    return Annotation(example.id, "ok", rationale, label)


def _outcome(finish: str, shown: str) -> Outcome:
    if finish in _CUT_SHORT:
        return "truncated"
    return "refused" if _REFUSAL.match(shown) else "unparsed"


def _read_object(task: Task, example: Example, text: str) -> tuple[str, str] | None:
    """What a reply says that is a JSON object, bare or in a fence; None if it is none."""
    fence = _FENCE.match(text)
    inner = text[fence.end() :] if fence else text
    if not _OBJECT.match(inner):
        return None
    try:
        fields, end = _JSON.raw_decode(inner)
    except (ValueError, RecursionError):
        raise Unreadable("the reply is a broken JSON object") from None
    if re.search(r"\w", inner[end:]):
        raise Unreadable("more is said after the JSON object")
    fields = {name.strip().lower(): value for name, value in fields.items()}
    rationale, answer = _field(fields, "rationale"), _field(fields, "answer")
    if answer not in task.answer.labels:
        stated = _without_cue(visible(answer))
        answer = read_statement(task.answer, example.options, stated, alone=True)
    return _reasons_alone(task, example, visible(rationale), answer), answer


def _field(fields: dict[str, object], name: str) -> str:
    if name not in fields:
        raise Unreadable(f"the JSON object has no {name!r}")
    value = fields[name]
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | None):
        raise Unreadable(f"the {name!r} of the JSON object is no text")
    return value or ""


def _without_cue(text: str) -> str:
    """``Paris`` of ``Answer: Paris``, which a field named so need not say."""
    at = 0
    while cue := _CUE.match(text, at):
        at = cue.end()
        if cue["box"]:
            return _payload(text, cue)[0]
    return text[at:]


def _reasons_alone(task: Task, example: Example, text: str, label: str) -> str:
    """A rationale without a last sentence that only says the answer again."""
    cues = [*_CUE.finditer(text)]
    last = text[cues[-1].end() :].strip() if cues else ""
    if last and not _REASON.search(last) and _says_only(task, example, last, label):
        text = text[: _opening_of_statement(task, example, text, cues, label)]
    return _tidy(text)


def _read(task: Task, example: Example, body: str, *, cut_short: bool) -> tuple[str, str]:
    if not body:
        raise Unreadable("the reply is empty")
    cues = [cue for cue in _CUE.finditer(body) if _is_cue(task, example, body, cue)]
    stated = [cue for cue in cues if not cue["must"]]
    if not stated:
        if last := _read_last_line(task, example, body, cut_short=cut_short):
            return last
        if not cues:
            raise Unreadable("no answer is stated")
    cue = (stated or cues)[-1]
    if _is_supposed(body[: cue.start()], cue):
        raise Unreadable(f"the answer is only supposed: {body[cue.start() :][:60]!r}")
    payload, end = _payload(body, cue)
    taken_back = _TAKEN_BACK.search(payload, 1) or _TAKEN_BACK.search(body[end:])
    if taken_back or _ASKED.match(payload):
        raise Unreadable("the answer is taken back")
    complete = _COMPLETE_TEXT if task.answer.kind == "text" else _COMPLETE
    if cut_short and not cue["box"] and not complete.search(body[cue.end() :].strip()):
        raise Unreadable("the reply may have been cut within its answer")
    label = read_statement(task.answer, example.options, payload)
    told = cues[: cues.index(cue) + 1]
    return _tidy(body[: _opening_of_statement(task, example, body, told, label)]), label


def _is_supposed(before: str, cue: re.Match[str]) -> bool:
    """Whether an answer is one that the teacher does not think right, or right only in a case."""
    if cue["must"] and _CONDITION.search(_SENTENCE_END.split(before.removesuffix("\n"))[-1]):
        return True
    return not cue["so"] and _SUPPOSED.search(before) is not None


def _cut(text: str, stop: Sequence[str], own: str = "") -> str:
    """A text up to the first stop text or made-up question; ``own`` is the row's own."""
    ends = [at for mark in stop if mark and (at := text.find(mark)) > 0]
    at, known = 0, set[str]()
    for question in _NEXT_QUESTION.finditer(text):
        if question["asks"] is None:
            continue
        known = known or set(_WORD.findall(own.lower()))
        asked = text[question.end() : question.end() + _LONGEST_QUESTION]
        if not _asks_again(asked, known) or _answers(text[at : question.start()]):
            ends.append(question.start())
            break
        at = question.end()
    return text[: min(ends)].strip() if ends else text


def _answers(text: str) -> bool:
    return any(not cue["must"] for cue in _CUE.finditer(text))


def _asks_again(text: str, known: set[str]) -> bool:
    """Whether a first line is a question of these words: all its numbers, nearly all its words."""
    words = _WORD.findall(text.lstrip().split("\n", 1)[0].lower())
    foreign = set(words).difference(known)
    strange = sum(word in foreign for word in words)
    return strange < len(words) / 5 and not any(word[0].isdigit() for word in foreign)


def _is_cue(task: Task, example: Example, body: str, cue: re.Match[str]) -> bool:
    """``####`` and "the answer must be" are cues only where an answer follows."""
    line = body[cue.end() : cue.end() + _LONGEST_LABEL].split("\n", 1)[0]
    if cue["hashes"]:
        return whole_statement(task.answer, example.options, line) is not None
    return not cue["must"] or (task.answer.kind != "text" and _can_read(task, example, line))


def _can_read(task: Task, example: Example, text: str) -> bool:
    try:
        read_statement(task.answer, example.options, text)
    except Unreadable:
        return False
    return True


def _payload(body: str, cue: re.Match[str]) -> tuple[str, int]:
    """What is stated after a cue, and where it ends: in the box, on the line, or on the next."""
    at = cue.end()
    if cue["box"] and body[at : at + 1] == "{":
        return _in_braces(body, at)
    for line in re.finditer(r"[^\n]+", body[at:]):
        text = line[0].split("</answer>")[0].strip().strip("* ")
        if text.strip("*$`#>\\[]({-_ "):
            on_next_line = "\n" in body[cue.end() - 1 : at + line.start()] or "\n" in cue[0]
            if on_next_line and _NO_ANSWER.match(text):
                break
            return re.sub(r"^[-•>]\s+", "", text) if on_next_line else text, at + line.end()
    raise Unreadable("the reply ends before its answer")


def _in_braces(body: str, at: int) -> tuple[str, int]:
    depth = 0
    for end in range(at, len(body)):
        depth += {"{": 1, "}": -1}.get(body[end], 0)
        if depth == 0:
            return body[at + 1 : end], end + 1
    raise Unreadable("the reply ends before its answer")


def _opening_of_statement(
    task: Task, example: Example, body: str, cues: Sequence[re.Match[str]], label: str
) -> int:
    """Where the rationale ends: ``Answer: B`` right before the last cue says no more than it."""
    start = cues[-1].start()
    for cue in reversed(cues[:-1]):
        opens_sentence = _SENTENCE_START.search(body[max(0, cue.start() - 20) : cue.start()])
        between = body[cue.end() : start].strip()
        if re.search(r"\w", between) and not (
            opens_sentence and _says_only(task, example, between, label)
        ):
            break
        start = cue.start()
    return start


def _says_only(task: Task, example: Example, text: str, label: str) -> bool:
    if whole_statement(task.answer, example.options, text) == label:
        return True
    if "\n" in text or len(text.split()) > 6 or re.search(r"[.!?]\s+\w", text):
        return False
    try:
        return read_statement(task.answer, example.options, text) == label
    except Unreadable:
        return False


def _tidy(text: str) -> str:
    backwards = _OPENING.sub("", text.strip())[::-1]
    return " ".join(_CLOSING.sub("", backwards, count=1)[::-1].split())


def _read_last_line(
    task: Task, example: Example, body: str, *, cut_short: bool
) -> tuple[str, str] | None:
    """A reply without a cue: its last line, if that is an answer, whole and alone."""
    before, _, last = body.rpartition("\n")
    label = whole_statement(task.answer, example.options, last.strip("#$ "))
    if label is None or (_LIST_MARK.fullmatch(last) and _LIST_MARK.search(before)):
        return None
    if cut_short and not _COMPLETE.search(last):
        raise Unreadable("the reply may have been cut within its answer")
    return _tidy(before), label
