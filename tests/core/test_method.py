import pytest

from distilwhy.core.method import (
    METHODS,
    SoftLabels,
    Target,
    TargetOptions,
    TrainingRow,
    render_source,
    render_training_rows,
)
from distilwhy.core.parsing.completion import Annotation
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
    teaching = TargetOptions(rationale_weight=weight, seed=seed)
    return render_training_rows(METHODS[method], EXAMPLES, ANNOTATIONS, teaching)


def labels(method: str) -> dict[str, str]:
    return {row.source.split("\n")[0]: row.targets[0].text for row in rows(method)}


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
        *((name, TEACHER) for name in METHODS if METHODS[name].labels == "teacher"),
        *((name, GOLD) for name in METHODS if name.endswith("-gold")),
    ],
)
def test_each_method_learns_its_own_labels_and_leaves_out_rows_without_one(method, learnt):
    """Unread and unasked rows train nothing that needs the teacher; rows without gold, no gold."""
    assert labels(method) == learnt


def test_the_methods():
    taught = (
        "step-by-step", "rationale-input", "rationale-then-label", "label-then-rationale",
        "blank-rationales", "shuffled-rationales", "same-label-rationales",
        "word-shuffled-rationales", "keyword-rationales",
    )  # fmt: skip
    both = [name for method in taught for name in (method, f"{method}-gold")]
    assert list(METHODS) == ["finetune", "label-distill", *both]
    assert all(method.name == name for name, method in METHODS.items())


@pytest.mark.parametrize("method", ["finetune", "label-distill", "rationale-input"])
def test_baselines_learn_only_labels(method):
    assert all([target.task for target in row.targets] == ["label"] for row in rows(method))


@pytest.mark.parametrize("suffix", ["", "-gold"])
def test_step_by_step_learns_the_rows_own_rationale(suffix):
    told = {"one": "because 1", "three": "because 3", "four": None, "six": "because 6"}
    if suffix:
        told.pop("three")
    assert rationales("step-by-step" + suffix) == told


@pytest.mark.parametrize("suffix", ["", "-gold"])
def test_blank_rationales_replace_existing_ones(suffix):
    told = {"one": "", "three": "", "four": None, "six": ""}
    if suffix:
        told.pop("three")
    assert rationales("blank-rationales" + suffix) == told


def test_label_and_rationale_have_their_weights():
    [first, *_] = rows("step-by-step", weight=0.25)
    assert first == TrainingRow(
        "one", (Target("label", "T1", 1.0), Target("rationale", "because 1", 0.25))
    )


def test_one_sequence_has_the_rationale_before_or_after_the_label():
    before, after = rows("rationale-then-label"), rows("label-then-rationale")
    assert before[0].targets == (Target("label", "T1", before="because 1"),)
    assert after[0].targets == (Target("label", "T1", after="because 1"),)
    assert before[2].targets == (Target("label", "T4", before=""),), "the teacher gave none"


def test_a_rationale_in_the_input_is_not_a_target():
    told = [row.source for row in rows("rationale-input")]
    assert told == ["one\nRationale: because 1", "three\nRationale: because 3", "four",
                    "six\nRationale: because 6"]  # fmt: skip
    method = METHODS["rationale-input"]
    assert method.asks_teacher
    assert not method.writes_rationales
    assert render_source(method, EXAMPLES[1], None) == "two"
    assert render_source(METHODS["step-by-step"], EXAMPLES[0], ANNOTATIONS["1"]) == "one"


SEVERAL = {
    "1": Annotation("1", "ok", "r1", "A", others=("r2", "r3"), votes=(("A", 0.75), ("B", 0.25)))
}


def several(method: str, **teaching: object) -> TrainingRow:
    given = TargetOptions(rationale_weight=0.6, **teaching)  # type: ignore[arg-type]
    [row] = render_training_rows(METHODS[method], EXAMPLES[:1], SEVERAL, given)
    return row


def test_draw_makes_one_target_set_per_rationale():
    row = several("step-by-step")
    label = Target("label", "A")
    drawn = [(label, Target("rationale", text, 0.6)) for text in ("r1", "r2", "r3")]
    assert [row.targets, *row.others] == drawn
    row = several("rationale-then-label")
    assert [ts[0].before for ts in (row.targets, *row.others)] == ["r1", "r2", "r3"]


def test_average_shares_the_weight_between_rationales():
    row = several("step-by-step", several="average")
    assert row.others == ()
    assert [t.text for t in row.targets] == ["A", "r1", "r2", "r3"]
    assert [t.weight for t in row.targets] == pytest.approx([1, 0.2, 0.2, 0.2])
    row = several("label-then-rationale", several="average")
    assert [t.after for t in row.targets] == ["r1", "r2", "r3"]
    assert [t.weight for t in row.targets] == [1 / 3] * 3


def test_soft_labels_by_hand():
    """Shares 3/4 and 1/4 at T = 2 are √3 : 1; half of the loss is soft, times T² = 4."""
    row = several("label-distill", soft_labels=SoftLabels(0.5, 2.0))
    hard, first, second = row.targets
    assert hard == Target("label", "A", 0.5)
    assert (first.text, second.text, first.temperature) == ("A", "B", 2.0)
    assert first.weight == pytest.approx(0.5 * 4 * 3**0.5 / (3**0.5 + 1))
    assert first.weight + second.weight == pytest.approx(2.0)


def test_gold_labels_are_never_soft():
    assert len(several("step-by-step-gold", soft_labels=SoftLabels()).targets) == 2
    assert len(several("label-distill").targets) == 1


MANY = [Example(str(i), f"x{i}", gold="g") for i in range(60)]
TOLD = {e.id: Annotation(e.id, "ok", "" if int(e.id) % 6 == 5 else f"r{e.id}", "t") for e in MANY}


def shuffled(seed: int) -> dict[str, str]:
    method = METHODS["shuffled-rationales"]
    trained = render_training_rows(method, MANY, TOLD, TargetOptions(seed=seed))
    return {row.source: row.targets[1].text for row in trained if len(row.targets) == 2}


@pytest.mark.parametrize("seed", range(20))
def test_shuffled_rationales_are_a_derangement(seed):
    told = shuffled(seed)
    assert len(told) == 50
    assert sorted(told.values()) == sorted(a.rationale for a in TOLD.values() if a.rationale)
    assert all(source[1:] != rationale[1:] for source, rationale in told.items())


def test_shuffling_depends_only_on_the_seed():
    assert shuffled(1) == shuffled(1)
    assert shuffled(1) != shuffled(2)


def test_a_single_rationale_stays_in_place():
    method = METHODS["shuffled-rationales"]
    [row] = render_training_rows(method, EXAMPLES[:1], ANNOTATIONS, TargetOptions())
    assert row.targets[1].text == "because 1"


@pytest.mark.parametrize("method", list(METHODS))
def test_without_annotations_only_finetune_has_rows(method):
    trained = render_training_rows(METHODS[method], EXAMPLES, {}, TargetOptions())
    assert len(trained) == (5 if method == "finetune" else 0)
    assert METHODS[method].needs_teacher is (method != "finetune")
