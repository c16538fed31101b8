"""Compares how completions are read with a second reading that was made for each set by itself.

    python benchmarks/reading.py --data ../shared/data

The sets are completions of PaLM 540B, Llama 3 70B and Gemini 1.5 Flash, each in its one form, and
the replies of tests/data/replies.jsonl, in many forms, with labels set by hand. Prints a line for
each: the rows; how many are read and unread; how many labels differ from the second reading
(wrong), and how many rationales hold what is no reason (polluted); the seconds of computing that it
took; and the teacher's accuracy by the rule of the paper's code, by the second reading, and as read
here.
"""

import argparse
import ast
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from fractions import Fraction
from operator import add, mul, sub, truediv
from pathlib import Path
from time import process_time

import yaml

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.pipeline.experiment import open_experiment

REPLIES = Path(__file__).parent.parent / "tests/data/replies.jsonl"
STOP = ("\n\nQ:",)

_LABELS = ["entailment", "neutral", "contradiction"]
_LETTERED = "{{ question }}\nAnswer Choices:\n{{ choices | lettered }}"
_PAIR = "Premise: {{ premise }}\nHypothesis: {{ hypothesis }}"
TASKS = {
    "cqa": (_LETTERED, "answer", {"kind": "choice", "options": "choices"}),
    "esnli": (_PAIR, "label", {"kind": "choice", "labels": _LABELS}),
    "svamp": ("{{ question }}", "equation", {"kind": "equation"}),
}

_OPERATORS = {ast.Add: add, ast.Sub: sub, ast.Mult: mul, ast.Div: truediv}
_STATEMENT = re.compile(
    r"(?i)(?:^|[.!?\n])\W*(?:so|thus|hence|therefore)?,? ?(?:the |my )?(?:final |correct |right )?"
    r"(?:answer|label|category|verdict|sentiment)\W*(?: is|:)[^\n]{0,60}$"
)
_MARKS = re.compile(r"(?i)</?(?:think|reason|answer|rationale)|\[/?THINK|<\|")
_LEFTOVER = re.compile(
    r"(?i)^\W*(?:rationale|reasonings?|reason|explanation|thought|analysis)\s*:"
    r"|(?:^|\n)\W*(?:rationale|reasonings?|reason|explanation|final answer|answer)\W*$"
)


@dataclass(frozen=True)
class Row:
    """A completion, with its task and what it says by the second reading (None: nothing)."""

    task: Task
    example: Example
    text: str
    stated: str | None
    rationale: str | None = None
    published: bool | None = None

    def agrees(self, found: Annotation) -> bool:
        if found.label is None or self.stated is None:
            return found.label == self.stated
        return self.task.answer.same(found.label, self.stated)

    def is_gold(self, label: str | None) -> bool:
        return self.task.answer.same(label, self.example.gold)


def last(pattern: str, text: str) -> str | None:
    found = re.findall(pattern, text)
    return found[-1] if found else None


def read_palm_cqa(text: str, example: Example) -> str | None:
    """``So the answer is (c) wooded area.``: the letter, if its text is that but for a slip."""
    _, cue, stated = text.split("\n\nQ:")[0].rpartition("answer is ")
    found = re.match(r"(?:\(([a-e])\))?([^\n]*)", stated)
    if not cue or not found or "(" in found[2]:
        return None
    said = found[2].strip(" .").lower()
    options = {option.lower(): option for option in example.options}
    if not found[1]:
        return options.get(said)
    chosen = example.options["abcde".index(found[1])]
    if said in options:
        return chosen if options[said] == chosen else None
    close = SequenceMatcher(None, said, chosen.lower()).ratio() > 0.7
    return chosen if close or set(said.split()) <= set(chosen.lower().split()) else None


def read_palm_esnli(text: str, example: Example) -> str | None:
    """``Answer: neutral``, on a line of its own, before the next premise."""
    return last(
        r"(?m)^Answer: (entailment|neutral|contradiction)\.?$", text.split("\n\nPremise:")[0]
    )


def read_palm_svamp(text: str, example: Example) -> str | None:
    """``The answer is (84 / 2).``: its value, if it is arithmetic."""
    stated = last(r"The answer is ([^\n]*)", text.split("\n\nQ:")[0])
    if stated is None:
        return None
    try:
        stated = re.sub(r"(\d),(\d{3})", r"\1\2", stated).strip().rstrip(".")
        return str(compute(ast.parse(stated, mode="eval").body))
    except (SyntaxError, ValueError, ZeroDivisionError):
        return None


def compute(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](compute(node.left), compute(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -compute(node.operand)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(str(node.value))
    raise ValueError("no arithmetic")


def read_letter(text: str, example: Example) -> str | None:
    """``The answer is C``, at the end: a capital letter. Rarely: ``A is the most plausible``."""
    cue = r"answer (?:that best fits this \w+ )?is (?:actually )?\(?"
    mark = last(rf"(?:{cue}|(?=[A-E] is the most))([A-E])\b", text)
    return example.options["ABCDE".index(mark)] if mark else None


def published_rule(name: str, text: str, example: Example) -> bool | None:
    """Whether the paper's code counts the completion as right: stated once, in one fixed form."""
    if name == "esnli":
        return None
    parts = text.split("Q:")[0].split("So the answer is" if name == "cqa" else "The answer is")
    if len(parts) != 2:
        return False
    if name == "cqa":
        stated = parts[1].split(")")
        return len(stated) > 1 and stated[1].strip().rstrip(".") == example.gold
    bracketed, answer = re.search(r"\(.*\)", parts[1]), Answer("equation")
    equation = answer.canonical(bracketed[0]) if bracketed else None
    return answer.same(equation, example.gold)


SETS = (
    *((name, split, "palm540b") for name in TASKS for split in ("train", "test")),
    *(("cqa", "train", f"llama3-70b-{length}") for length in ("short", "long")),
    ("cqa", "train", "gemini-1.5-flash-short"),
)
_READERS = {"cqa": read_palm_cqa, "esnli": read_palm_esnli, "svamp": read_palm_svamp}


def recorded_rows(data: Path, name: str, split: str, teacher: str) -> Iterator[Row]:
    """The rows of a set that have completions, opened as an experiment without exemplars."""
    recorded = data.resolve() / name / f"{split}.{teacher}.jsonl"
    template, gold, answer = TASKS[name]
    settings = {
        "task": {"input": template, "gold": gold, "answer": answer},
        "data": {"train": str(recorded.with_name(f"{split}.jsonl"))},
        "teacher": {"kind": "recorded", "completions": [str(recorded)]},
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "experiment.yaml"
        file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        experiment = open_experiment(file).in_memory()
    assert tuple(experiment.config.teacher.stop) == STOP
    lines = recorded.read_text(encoding="utf-8").splitlines()
    texts = {row["id"]: row["completion"] for row in map(json.loads, lines)}
    is_palm = teacher == "palm540b"
    read = _READERS[name] if is_palm else read_letter
    for example in (*experiment.splits.train, *experiment.splits.validation):
        if (text := texts.get(example.id)) is not None:
            is_right = published_rule(name, text, example) if is_palm else None
            yield Row(experiment.task, example, text, read(text, example), published=is_right)


def reply_rows() -> Iterator[Row]:
    for line in REPLIES.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        answer = Answer(row["kind"], tuple(row.get("labels", ())))
        example = Example(row["style"], row["question"], tuple(row.get("options", ())))
        task = Task("", RowFormat(row["template"]), answer)
        yield Row(task, example, row["reply"], row["label"], row.get("rationale"))


def is_polluted(row: Row, rationale: str) -> bool:
    """Whether a rationale has words beyond the expected ones; or, where none are known, an answer
    at its end, another row's head, marks of thinking, or a heading without its text."""
    if row.rationale is not None:
        return bool(set(rationale.split()) - set(row.rationale.split()))
    head = re.match(r"\w+:", row.task.row_format.template)
    again = rf"\b(?:Q|Question|{head[0][:-1] if head else 'Q'}):"
    return any(re.search(pattern, rationale) for pattern in (again, _STATEMENT, _MARKS, _LEFTOVER))


def share(hits: list[bool]) -> str:
    return f"{sum(hits) / len(hits):.1%}" if hits else "-"


def report(name: str, rows: list[Row], show: int) -> None:
    start = process_time()
    found = [parse_completion(r.task, r.example, Completion(r.text), STOP) for r in rows]
    seconds = process_time() - start
    pairs = list(zip(rows, found, strict=True))
    read = [pair for pair in pairs if pair[1].label is not None]
    wrong = [(row, said) for row, said in read if not row.agrees(said)]
    polluted = [(row, said) for row, said in read if is_polluted(row, said.rationale)]
    gold = [pair for pair in pairs if pair[0].example.gold is not None]
    print(
        f"{name:33}{len(rows):6}{len(read):6}{len(rows) - len(read):7}{len(wrong):6}"
        f"{len(polluted):9}{seconds:7.1f}"
        f"{share([row.published for row, _ in gold if row.published is not None]):>10}"
        f"{share([row.is_gold(row.stated) for row, _ in gold]):>8}"
        f"{share([row.is_gold(said.label) for row, said in gold]):>7}"
    )
    differing = [(row, said) for row, said in pairs if not row.agrees(said)]
    for row, said in differing[:show]:
        print(f"  {row.example.id}: {said.label!r}, not {row.stated!r}: {row.text[:400]!r}")
    for row, said in polluted[:show]:
        print(f"  {row.example.id}: rationale {said.rationale[-400:]!r} of {row.text[:400]!r}")
    if not gold:
        known = [(row, said) for row, said in read if row.rationale and row.agrees(said)]
        kept = [row.rationale.split() == said.rationale.split() for row, said in known]
        right = share([row.agrees(said) for row, said in pairs])
        print(f"  label, or none, as by hand: {right}; then rationale as by hand: {share(kept)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the folder with cqa, esnli and svamp")
    show = "print N rows of each set whose labels differ, and N whose rationales are polluted"
    parser.add_argument("--show", type=int, default=0, metavar="N", help=show)
    options = parser.parse_args()
    print(
        f"{'set':33}{'rows':>6}{'read':>6}{'unread':>7}{'wrong':>6}{'polluted':>9}{'s':>7}"
        f"{'published':>10}{'second':>8}{'here':>7}"
    )
    for chosen in SETS if options.data else ():
        report(" ".join(chosen), list(recorded_rows(options.data, *chosen)), options.show)
    report("replies.jsonl", list(reply_rows()), options.show)


if __name__ == "__main__":
    main()
