"""Checks of a student's settings that need no torch."""

from collections.abc import Iterable

from distilwhy.config import StudentConfig
from distilwhy.core.method import Method
from distilwhy.core.parsing.answer import Answer
from distilwhy.errors import StudentError

SCRATCH = "scratch"


def check_settings(student: StudentConfig, answer: Answer) -> None:
    """Check a student's settings, except where they depend on a pretrained model.

    Raises:
        StudentError: if no such student can be built.
    """
    if student.family == "encoder":
        check_encoder_answer(answer)
    if student.label_head and student.family in ("encoder", "seq2seq"):
        raise StudentError(
            "student.label_head is for decoder-only students, and student.family is "
            f"{student.family!r}; remove one of them"
        )
    if student.model != SCRATCH:
        return
    if student.label_head and student.family == "auto":
        raise StudentError(
            "student.label_head is for decoder-only students, and 'scratch' is an encoder–decoder; "
            "set student.family to causal"
        )
    shape = student.scratch
    if student.lora is not None:
        raise StudentError(
            "student.lora adapts a pretrained model, not 'scratch'; name one in student.model, "
            "or remove student.lora"
        )
    if shape.width % shape.heads:
        raise StudentError(
            f"student.scratch.width {shape.width} is not divisible by its {shape.heads} heads"
        )
    if student.family == "causal" and shape.width // shape.heads % 2:
        raise StudentError(
            f"student.scratch.width {shape.width} gives each of its {shape.heads} heads the odd "
            f"width {shape.width // shape.heads}; use a multiple of {2 * shape.heads}"
        )


def check_label_head(student: StudentConfig, answer: Answer, methods: Iterable[Method]) -> None:
    """Check what a student with a head for labels is to answer and how it is trained.

    Raises:
        StudentError: if the answer is not a choice, or a method writes the label in a sequence.
    """
    if not student.label_head:
        return
    if answer.kind != "choice":
        raise StudentError(
            f"student.label_head chooses a label and cannot write a {answer.kind}; set it to false"
        )
    for method in methods:
        if method.place in ("before", "after"):
            raise StudentError(
                f"student.label_head chooses the label in one pass, and {method.name!r} writes "
                "it in one sequence with the rationale; set it to false, or remove the method"
            )


def check_encoder_answer(answer: Answer) -> None:
    """Raise a ``StudentError`` unless the answer is a choice, as an encoder's must be."""
    if answer.kind != "choice":
        raise StudentError(
            f"a student of the family encoder chooses a label and cannot write a {answer.kind}; "
            "set student.family to seq2seq or causal"
        )
