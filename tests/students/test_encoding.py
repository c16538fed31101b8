"""Training rows as token ids, and what is cut of them."""

from typing import Any

import pytest

from distilwhy.core.method import METHODS, Target, TrainingRow
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.students.encoding import EncodedRow, Truncator
from distilwhy.students.load import build_network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student
from fruit import LIMITS, TASK, fruit_rows, new_student


def encode(student: Student, rows: list[TrainingRow]) -> list[EncodedRow]:
    truncator = Truncator(student.spec.config)
    return [student.network.encode(row, truncator) for row in rows]


def test_two_passes_put_the_task_s_prefix_before_the_source():
    student = new_student(two_passes=True)
    [row] = encode(student, fruit_rows()[:1])
    decode = student.network.tokenizer.decode
    read = [decode(ids, skip_special_tokens=True).strip() for ids in row.sources]
    assert read == ["predict: 0 of apple", "explain: 0 of apple"]
    assert len({tuple(target.opening) for target in row.variants[0]}) == 1


@pytest.mark.parametrize("family", ["seq2seq", "causal"])
@pytest.mark.parametrize("method", ["rationale-then-label", "label-then-rationale"])
def test_the_prompt_of_one_sequence_is_the_source_it_was_trained_on(family: str, method: str):
    limits = LIMITS.model_copy(update={"family": family})
    spec = StudentSpec(TASK, METHODS[method], limits, two_passes=True)
    student = Student(build_network(spec, ["predict: explain: 1 of plum"], 0).eval())
    told = {"before": "it is"} if method == "rationale-then-label" else {"after": "it is"}
    [row] = encode(student, [TrainingRow("plum", (Target("label", "blue", **told),))])
    learnt = row.sources[row.variants[0][0].source]
    asked: list[list[int]] = []
    ask = student.network.model.generate

    def listen(**given: Any) -> Any:
        asked.append(given["input_ids"][0].tolist())
        return ask(**given)

    student.network.model.generate = listen
    student.predict([Example("1", "plum")], explain=True)
    # A label that comes first is chosen without writing.
    assert len(asked) == (2 if method == "rationale-then-label" else 1)
    assert all(ids[: len(learnt)] == learnt for ids in asked)


def test_a_cut_text_keeps_its_end_and_is_counted():
    student = new_student()
    truncator = Truncator(LIMITS.model_copy(update={"max_rationale_tokens": 2}))
    [first, *_] = [student.network.encode(row, truncator) for row in fruit_rows()[:4]]
    ids = first.variants[0][1].ids
    assert len(ids) == 3
    assert ids[-1] == student.network.tokenizer.eos_token_id
    found = truncator.counts()
    assert (found["rationale"].cut, found["rationale"].texts) == (4, 4)
    assert found["rationale"].longest > found["rationale"].limit == 2
    assert found["input"].cut == found["label"].cut == 0


def test_labels_that_are_choices_are_never_cut():
    labels = tuple(f"the very same beginning, and then {end}" for end in ("one", "two"))
    task = Task("", RowFormat("{{ x }}"), Answer("choice", labels))
    for family in ("seq2seq", "causal"):
        limits = LIMITS.model_copy(update={"family": family, "max_label_tokens": 3})
        network = build_network(StudentSpec(task, METHODS["finetune"], limits), labels, 0)
        truncator = Truncator(limits)
        rows = [
            network.encode(TrainingRow("x", (Target("label", one),)), truncator) for one in labels
        ]
        first, second = (row.variants[0][0].ids for row in rows)
        assert first != second
        assert truncator.counts()["label"].cut == 0
        assert truncator.counts()["label"].longest > 3
