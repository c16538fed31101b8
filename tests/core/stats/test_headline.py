"""The headline: whether rationales helped."""

from dataclasses import replace

from distilwhy.core.results import MethodScore
from distilwhy.core.stats.comparisons import MethodComparison
from distilwhy.core.stats.headline import write_headline
from distilwhy.core.stats.scores import Comparison, Score
from results import make_results

HELPED = Comparison(0.1, 0.05, 0.15, 0.001, 0.002, 0.06)
UNSEEN = Comparison(0.01, -0.03, 0.05, 0.6, 0.9, 0.06)
HURT = Comparison(-0.1, -0.15, -0.05, 0.001, 0.002, 0.06)
ACCURACIES = {
    "step-by-step": 0.8, "step-by-step-gold": 0.8, "label-distill": 0.7, "finetune": 0.79,
    "blank-rationales": 0.6, "shuffled-rationales": 0.6, "keyword-rationales": 0.79,
    "word-shuffled-rationales-gold": 0.79,
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


def test_rationales_that_beat_bare_labels_and_controls_helped():
    said = headline(
        ("step-by-step", "label-distill", HELPED),
        ("step-by-step", "blank-rationales", HELPED),
        ("step-by-step", "shuffled-rationales", HELPED),
    )
    assert said == (
        "Against the teacher's bare labels, rationales helped by 10.0 points (95 % CI 5.0 to "
        "15.0). Test accuracy: step-by-step 80.0%, label-distill 70.0%. It is the reasons, as far "
        "as controls show: blank rationales and rationales of other rows do worse."
    )


def test_one_control_within_reach_withdraws_that_it_is_the_reasons():
    said = headline(
        ("step-by-step", "label-distill", HELPED),
        ("step-by-step", "blank-rationales", HELPED),
        ("step-by-step", "keyword-rationales", UNSEEN),
    )
    assert said.endswith(
        "But it need not be the reasons: against the keywords of rationales, no difference "
        "detected: +1.0 points (95 % CI −3.0 to +5.0; minimum detectable effect 6.0)."
    )
    assert "It is the reasons" not in said


def test_a_control_that_does_better_is_named_too():
    said = headline(
        ("step-by-step", "label-distill", HELPED), ("step-by-step", "keyword-rationales", HURT)
    )
    assert "need not be the reasons: against the keywords of rationales, hurt by 10.0" in said


def test_without_controls_it_may_not_be_the_reasons():
    said = headline(("step-by-step", "label-distill", HELPED))
    assert said.endswith("It may not be the reasons that help: no control was trained.")
    assert "control" not in headline(("step-by-step", "label-distill", UNSEEN))


def test_gold_labels_have_controls_of_their_own():
    said = headline(
        ("step-by-step-gold", "finetune", HELPED),
        ("step-by-step-gold", "word-shuffled-rationales-gold", UNSEEN),
    )
    assert "against rationales with their words shuffled, no difference detected" in said


def test_an_undetected_difference_comes_with_the_minimum_detectable_effect():
    said = headline(("step-by-step", "label-distill", UNSEEN))
    assert said.startswith(
        "Against the teacher's bare labels, no difference detected: +1.0 points "
        "(95 % CI −3.0 to +5.0; minimum detectable effect 6.0). Test accuracy: "
    )
    assert "hurt by 10.0 points" in headline(("step-by-step", "label-distill", HURT))


def test_fine_tuning_on_gold_is_mentioned_second():
    said = headline(("step-by-step", "finetune", UNSEEN), ("step-by-step", "label-distill", HELPED))
    assert said.startswith("Against the teacher's bare labels")
    assert "Against fine-tuning on gold labels: no difference detected" in said


def test_one_shared_seed_is_mentioned():
    compared = [MethodComparison("step-by-step", "label-distill", HELPED)]
    one = "With one seed, the interval leaves out how much training itself varies."
    assert write_headline(compared, scores(step_by_step=1)).endswith(one)
    assert write_headline(compared, scores(label_distill=1)).endswith(one)
    assert one not in write_headline(compared, scores(finetune=1))


def test_with_gold_labels_alone_the_baseline_is_fine_tuning():
    said = headline(("step-by-step-gold", "finetune", HELPED))
    assert said.startswith("Against fine-tuning on gold labels, rationales helped by 10.0")


def test_the_headline_is_about_the_most_train_rows():
    said = headline(("step-by-step", "label-distill", HELPED), rows=1000)
    assert said.startswith("Trained on 1,000 rows: against the teacher's bare labels, rationales")
    fewer = MethodComparison("step-by-step", "label-distill", HURT, 20)
    more = MethodComparison("step-by-step", "label-distill", HELPED, 30)
    said = write_headline([more, fewer], [*scores(30), *scores(20)])
    assert said.startswith("Trained on 30 rows: against the teacher's bare labels, rationales help")
    said = write_headline([fewer, MethodComparison("step-by-step", "finetune", UNSEEN)], scores())
    assert said.startswith("Against fine-tuning on gold labels, no difference detected")


def test_without_comparisons_the_answer_is_unknown():
    assert write_headline([], []).startswith("Whether rationales help is not known")


def test_with_several_students_the_headline_names_its_own():
    compared = [MethodComparison("step-by-step", "label-distill", HELPED)]
    said = write_headline(compared, scores(), students=["", "small", "wide"])
    assert said.endswith("This is about the student main; small and wide may differ.")
    said = write_headline(compared, scores(), students=["wide", "a", "b", "c"])
    assert said.endswith("This is about the student wide; 3 others may differ.")
