import pytest

from distilwhy.core.annotation import Annotation
from distilwhy.core.method import METHODS, Target, TrainingRow, render_training_rows
from distilwhy.core.task import Example

EXAMPLES = [
    Example("1", "one", gold="G1"),
    Example("2", "two", gold="G2"),
    Example("3", "three", gold=None),
    Example("4", "four", gold="G4"),
    Example("5", "five", gold="G5"),
    Example("6", "six", gold="G6"),
]
ANNOTATIONS = {
    "1": Annotation("1", "ok", "because 1", "T1"),
    "2": Annotation("2", "unparsed", problem="no answer is stated"),
    "3": Annotation("3", "ok", "because 3", "T3"),
    "4": Annotation("4", "ok", "", "T4"),
    "6": Annotation("6", "ok", "because 6", "T6"),
}


def rows(method: str, seed: int = 0, weight: float = 0.5) -> list[TrainingRow]:
    return render_training_rows(
        METHODS[method], EXAMPLES, ANNOTATIONS, rationale_weight=weight, seed=seed
    )


def labels(method: str) -> dict[str, str]:
    return {row.source: row.targets[0].text for row in rows(method)}


def rationales(method: str, seed: int = 0) -> dict[str, str | None]:
    return {
        row.source: row.targets[1].text if len(row.targets) > 1 else None
        for row in rows(method, seed)
    }


GOLD = {"one": "G1", "four": "G4", "six": "G6"}
TEACHER = {"one": "T1", "three": "T3", "four": "T4", "six": "T6"}


@pytest.mark.parametrize(
    ("method", "learnt"),
    [
        ("finetune", {"one": "G1", "two": "G2", "four": "G4", "five": "G5", "six": "G6"}),
        ("label-distill", TEACHER),
        ("step-by-step", TEACHER),
        ("blank-rationales", TEACHER),
        ("shuffled-rationales", TEACHER),
        ("step-by-step-gold", GOLD),
        ("blank-rationales-gold", GOLD),
        ("shuffled-rationales-gold", GOLD),
    ],
)
def test_whose_label_is_learnt_and_which_rows_are_left_out(method, learnt):
    """Unread and unasked rows train nothing that needs the teacher; rows without gold, no gold."""
    assert labels(method) == learnt


def test_every_method_is_tried_above():
    assert list(METHODS) == [
        "finetune", "label-distill", "step-by-step", "step-by-step-gold", "blank-rationales",
        "blank-rationales-gold", "shuffled-rationales", "shuffled-rationales-gold",
    ]  # fmt: skip
    assert all(method.name == name for name, method in METHODS.items())


@pytest.mark.parametrize("method", ["finetune", "label-distill"])
def test_baselines_learn_labels_alone(method):
    assert all([target.task for target in row.targets] == ["label"] for row in rows(method))


@pytest.mark.parametrize("suffix", ["", "-gold"])
def test_step_by_step_learns_the_rows_own_rationale(suffix):
    told = {"one": "because 1", "three": "because 3", "four": None, "six": "because 6"}
    if suffix:
        told.pop("three")
    assert rationales("step-by-step" + suffix) == told


@pytest.mark.parametrize("suffix", ["", "-gold"])
def test_blank_rationales_are_blank_where_there_was_one(suffix):
    told = {"one": "", "three": "", "four": None, "six": ""}
    if suffix:
        told.pop("three")
    assert rationales("blank-rationales" + suffix) == told


def test_the_two_targets_of_a_row_have_their_weights():
    [first, *_] = rows("step-by-step", weight=0.25)
    assert first == TrainingRow(
        "one", (Target("label", "T1", 1.0), Target("rationale", "because 1", 0.25))
    )


MANY = [Example(str(i), f"x{i}", gold="g") for i in range(60)]
TOLD = {e.id: Annotation(e.id, "ok", "" if int(e.id) % 6 == 5 else f"r{e.id}", "t") for e in MANY}


def shuffled(seed: int) -> dict[str, str]:
    trained = render_training_rows(
        METHODS["shuffled-rationales"], MANY, TOLD, rationale_weight=1, seed=seed
    )
    return {row.source: row.targets[1].text for row in trained if len(row.targets) == 2}


@pytest.mark.parametrize("seed", range(20))
def test_shuffled_rationales_are_a_derangement(seed):
    told = shuffled(seed)
    assert len(told) == 50
    assert sorted(told.values()) == sorted(a.rationale for a in TOLD.values() if a.rationale)
    assert all(source[1:] != rationale[1:] for source, rationale in told.items())


def test_shuffling_is_decided_by_the_seed():
    assert shuffled(1) == shuffled(1)
    assert shuffled(1) != shuffled(2)


def test_one_rationale_alone_cannot_be_shuffled_away():
    [row] = render_training_rows(
        METHODS["shuffled-rationales"], EXAMPLES[:1], ANNOTATIONS, rationale_weight=1, seed=0
    )
    assert row.targets[1].text == "because 1"


@pytest.mark.parametrize("method", list(METHODS))
def test_no_annotations_train_nothing_but_gold(method):
    trained = render_training_rows(METHODS[method], EXAMPLES, {}, rationale_weight=1, seed=0)
    assert len(trained) == (5 if method == "finetune" else 0)
    assert METHODS[method].needs_teacher is (method != "finetune")
