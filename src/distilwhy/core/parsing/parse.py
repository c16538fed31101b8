"""Parses a teacher's completion into an annotation.

Reading is tolerant of what real teachers do: where two readings are possible it says so, and the
row trains nothing.

1. ``clean``: thinking, chat tokens and markup are taken away.
2. The text ends where another row begins, by the task's template and by general heads.
3. ``statements``: every place that states an answer, with how much it means it.
4. The answer is what the affirmed ones agree on. A later one replaces an earlier one only where
   the reply takes that back; two answers without that are a problem, not a choice. If nothing
   states an answer, the reply may still imply one.
5. The rationale is what stands before the answer; failing that, what follows it.
"""

import re
from collections.abc import Sequence
from contextlib import suppress

from distilwhy.core.parsing.answer import Unreadable
from distilwhy.core.parsing.clean import bare, visible, widen, without_markup, without_pictures
from distilwhy.core.parsing.completion import TOO_LONG, Annotation, Completion, Outcome
from distilwhy.core.parsing.cues import listed, phrases, question_of
from distilwhy.core.parsing.cut import break_before_heads, cut_next_row
from distilwhy.core.parsing.decide import decide
from distilwhy.core.parsing.json_reply import JsonReply, find_objects
from distilwhy.core.parsing.rationale import reasons_after, reasons_before, without_preface
from distilwhy.core.parsing.reader import Reader, reader_of
from distilwhy.core.parsing.statements import IMPLIED, Statement, find_statements, without_cue
from distilwhy.core.task import Example, Task

_PROMPTED = re.compile(r"\AA: (?=\S[^\n]{9})")  # as a prompt ends: it is no letter
_FIELD = re.compile(r"\{\{\s*(\w+)")
# What is in bold, which needs two more asterisks, or a fenced line.
_BOLD = re.compile(r"(?m)(?:\*\*(?=[^*\n]+\*)|^```\w*\n)([^`\n]{1,60}?)(?:\*\*|\n```$)")
_COMPLETE = re.compile(r"[^\d\s][.!?][\s\"'*)]*$|[.!?]\s")
_CUT_SHORT = {"length", "max_tokens", "model_length", "model_context_window_exceeded", "pause_turn"}
_REFUSED = {
    *("refusal", "content_filter", "safety", "recitation", "prohibited_content", "blocklist"),
    *("spii", "language", "image_safety", "model_armor"),
}


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
    reply = bare(completion.text)
    shown = without_markup(reply)
    reader = reader_of(task.answer, example.options, example.text, task.instruction, shown[:4000])
    try:
        reply = _stopped(reply, stop)
        if objects := _objects(reader, reply):
            label, rationale = _read_object(reader, task, reply, objects[0])
        else:
            body = _stopped(shown, stop)
            cut_short = finish in _CUT_SHORT and len(body) == len(shown)
            bold = _BOLD.findall(reply)
            label, rationale = _read(reader, task, body, bold, cut_short=cut_short)
    except Unreadable as error:
        return Annotation(example.id, _outcome(finish, shown), problem=str(error))
    return Annotation(example.id, "ok", rationale, label)


def _outcome(finish: str, shown: str) -> Outcome:
    if finish in _CUT_SHORT:
        return "truncated"
    opening = re.sub(r"\A\W+", "", widen(shown[:200]))
    return "refused" if phrases("refuses").match(opening) else "unparsed"


def _stopped(text: str, stop: Sequence[str]) -> str:
    ends = [at for mark in stop if mark and (at := text.find(mark)) > 0]
    return text[: min(ends)].rstrip() if ends else text


def _read(
    reader: Reader,
    task: Task,
    text: str,
    bold: Sequence[str] = (),
    given: Sequence[Statement] = (),
    *,
    cut_short: bool = False,
) -> tuple[str, str]:
    """The label and the rationale of a reply.

    Args:
        given: Answers of a JSON object, each with the place in the text where that stood.
    """
    template = task.row_format.template
    text = break_before_heads(text if given else without_preface(_PROMPTED.sub("", text)), template)
    plain = widen(text)
    if not any(without_pictures(choice) != choice for choice in reader.choices):
        plain = without_pictures(plain)
    statements = [*given, *find_statements(plain, task)]
    length = cut_next_row(reader, task, plain, statements)
    body = text[:length].rstrip()
    closing = phrases("courtesy", r"\n\s*+(?=@)").search(body, max(0, length - 400))
    body = body[: closing.start()] if closing else body
    if not body and not given:
        raise Unreadable("the reply is empty")
    if len(body) < len(plain):
        plain = plain[: len(body)]
        statements = [*given, *find_statements(plain, task)]
    label, stated = decide(reader, statements, plain, bold)
    said = body[stated.at :].strip()
    # A text may go on after a full stop, as "Mr." does.
    complete = "\n" in said or (reader.answer.kind != "text" and _COMPLETE.search(said))
    # Where more follows than is read, it was not the answer that the limit cut.
    over = (complete or stated.alone) and stated.rank != IMPLIED
    if cut_short and length == len(text) and not over:
        raise Unreadable("the reply may have been cut within its answer")
    before = [s for s in statements if s.at < stated.start]
    reasons = reasons_before(reader, body[: stated.start], label, before)
    return label, reasons or reasons_after(reader, body, label, stated)


def _objects(reader: Reader, text: str) -> list[JsonReply]:
    question = question_of(reader.asked) if reader.answer.kind == "text" and "{" in text else ""
    return find_objects(text, lambda said: reader.whole(said) is not None, question)


def _read_object(reader: Reader, task: Task, text: str, first: JsonReply) -> tuple[str, str]:
    """Read a reply with JSON objects, whose answers are statements among those around them."""
    before, after = visible(text[: first.start]), visible(text[first.end :])
    known = {name.replace(" ", "_") for name in listed("answers") + listed("rationales")}
    fields = {*_FIELD.findall(task.row_format.template)} - known
    if before and any(f'"{name}"' in text[first.start : first.end] for name in fields):
        with suppress(Unreadable):  # the object may be an invented row
            return _read(reader, task, before)
    at = len(before)
    objects = [first, *_objects(reader, after)]
    answers = [without_cue(visible(answer), task) for found in objects for answer in found.answers]
    given = [Statement(at, at, at, said, alone=True) for said in answers]
    label, reasons = _read(reader, task, f"{before}\n{after}", (), given)
    if first.rationale is None:
        return label, reasons
    reasons = visible(first.rationale)
    return label, reasons_before(reader, reasons, label, find_statements(reasons, task))
