"""The answer to the question whether the reasons helped, in words."""

from dataclasses import replace

from distilwhy.core.headline import write_headline
from distilwhy.core.results import MethodScore
from distilwhy.core.stats.comparisons import MethodComparison
from distilwhy.core.stats.scores import Comparison, Score
from results import make_results

HELPED = Comparison(0.1, 0.05, 0.15, 0.001, 0.002, 0.06)
UNSEEN = Comparison(0.01, -0.03, 0.05, 0.6, 0.9, 0.06)
HURT = Comparison(-0.1, -0.15, -0.05, 0.001, 0.002, 0.06)
ACCURACIES = {
    "step-by-step": 0.8, "step-by-step-gold": 0.8, "label-distill": 0.7, "finetune": 0.79,
    "blank-rationales": 0.6, "shuffled-rationales": 0.6,
}  # fmt: skip
STUDENT = make_results(("finetune",), sizes=(1000,), seeds=1).methods[0].students[0]


def scores(rows: int | None = None, **seeds: int) -> list[MethodScore]:
    """Every method, with five seeds or as many as are given for it."""
    found = []
    for method, accuracy in ACCURACIES.items():
        own = range(seeds.get(method.replace("-", "_"), 5))
        students = [replace(STUDENT, seed=seed) for seed in own]
        score = Score(accuracy, accuracy, accuracy, 100, len(own))
        found.append(MethodScore(method, rows, score, {}, students))
    return found


def headline(*pairs: tuple[str, str, Comparison], rows: int | None = None) -> str:
    found = [
        MethodComparison(method, baseline, comparison, rows)
        for method, baseline, comparison in pairs
    ]
    return write_headline(found, scores(rows))


def test_reasons_that_helped():
    said = headline(
        ("step-by-step", "label-distill", HELPED),
        ("step-by-step", "blank-rationales", HELPED),
        ("step-by-step", "shuffled-rationales", HELPED),
    )
    assert said == (
        "Against the teacher's bare labels, the reasons helped by 10.0 points (5.0 to 15.0). Of "
        "the test rows, step-by-step answers 80.0% rightly, label-distill 70.0%. Reasons that are "
        "blank or another row's do not do as well."
    )


def test_controls_that_do_as_well_are_not_passed_over():
    said = headline(
        ("step-by-step", "label-distill", HELPED), ("step-by-step", "blank-rationales", UNSEEN)
    )
    assert said.endswith("But the controls do not show that it is the reasons themselves.")


def test_reasons_that_did_not_help_are_said_not_to():
    said = headline(("step-by-step", "label-distill", UNSEEN))
    assert said.startswith(
        "Against the teacher's bare labels, no difference seen: +1.0 points (-3.0 to +5.0); the "
        "study could have seen 6.0. Of the test rows, "
    )
    assert "hurt by 10.0 points" in headline(("step-by-step", "label-distill", HURT))


def test_gold_is_spoken_of_too():
    said = headline(("step-by-step", "finetune", UNSEEN), ("step-by-step", "label-distill", HELPED))
    assert said.startswith("Against the teacher's bare labels")
    assert "Against fine-tuning on gold labels: no difference seen" in said


def test_one_seed_is_said_to_be_one():
    versus = [MethodComparison("step-by-step", "label-distill", HELPED)]
    one = "That is one seed: how much training itself varies is left out."
    assert write_headline(versus, scores(step_by_step=1)).endswith(one)
    assert write_headline(versus, scores(label_distill=1)).endswith(one)
    assert one not in write_headline(versus, scores(finetune=1))


def test_gold_alone():
    said = headline(("step-by-step-gold", "finetune", HELPED))
    assert said.startswith("Against fine-tuning on gold labels, the reasons helped by 10.0")


def test_the_most_rows_that_there_are_answer():
    said = headline(("step-by-step", "label-distill", HELPED), rows=1000)
    assert said.startswith("Taught on 1,000 rows: against the teacher's bare labels, the reasons")
    fewer = MethodComparison("step-by-step", "label-distill", HURT, 20)
    more = MethodComparison("step-by-step", "label-distill", HELPED, 30)
    said = write_headline([more, fewer], [*scores(30), *scores(20)])
    assert said.startswith("Taught on 30 rows: against the teacher's bare labels, the reasons help")
    said = write_headline([fewer, MethodComparison("step-by-step", "finetune", UNSEEN)], scores())
    assert said.startswith("Against fine-tuning on gold labels, no difference seen")


def test_without_comparisons_nothing_is_known():
    assert "is not known" in write_headline([], [])


def test_it_is_said_which_student_it_is_of():
    versus = [MethodComparison("step-by-step", "label-distill", HELPED)]
    said = write_headline(versus, scores(), students=["", "small", "wide"])
    assert said.endswith("All this is of the student main; small and wide may differ.")
    said = write_headline(versus, scores(), students=["wide", "a", "b", "c"])
    assert said.endswith("All this is of the student wide; 3 others may differ.")
