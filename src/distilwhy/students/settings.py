"""What can be told of a student from its settings alone, before torch is loaded."""

from distilwhy.config import StudentConfig
from distilwhy.core.parsing.answer import Answer
from distilwhy.errors import StudentError

SCRATCH = "scratch"


def check_settings(student: StudentConfig, answer: Answer) -> None:
    """See whether a student can be as it is asked for.

    Raises:
        StudentError: if it cannot; what depends on a pretrained model is not looked at.
    """
    if student.family == "encoder":
        check_chooses(answer)
    if student.model == SCRATCH:
        _check_scratch(student)


def check_chooses(answer: Answer) -> None:
    """Refuse what an encoder cannot answer with."""
    if answer.kind != "choice":
        raise StudentError(
            f"a student of the family encoder chooses among labels and cannot write a "
            f"{answer.kind}; set student.family to seq2seq or causal"
        )


def _check_scratch(student: StudentConfig) -> None:
    shape = student.scratch
    if student.lora is not None:
        raise StudentError(
            "student.lora adapts a pretrained model, not 'scratch'; name one in student.model, "
            "or take student.lora out"
        )
    if shape.width % shape.heads:
        raise StudentError(
            f"student.scratch.width {shape.width} does not divide by its {shape.heads} heads"
        )
    if student.family == "causal" and shape.width // shape.heads % 2:
        raise StudentError(
            f"student.scratch.width {shape.width} gives each of its {shape.heads} heads the odd "
            f"width {shape.width // shape.heads}; take a multiple of {2 * shape.heads}"
        )
