"""The headline: how good the student is, and whether rationales helped."""

from dataclasses import replace

from distilwhy.core.method import METHODS
from distilwhy.core.results import MethodScore
from distilwhy.core.stats.comparisons import MethodComparison, OutcomeCounts
from distilwhy.core.stats.headline import (
    choose_student,
    describe_baselines,
    describe_rationales,
    describe_student,
)
from distilwhy.core.stats.scores import Comparison, Score
from results import make_results

HELPED = Comparison(0.1, 0.05, 0.15, 0.001, 0.002, 0.06, 5)
UNSEEN = Comparison(0.01, -0.03, 0.05, 0.6, 0.9, 0.06, 5)
HURT = Comparison(-0.1, -0.15, -0.05, 0.001, 0.002, 0.06, 5)
ONE_SEED = replace(HELPED, seeds=1)
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
    return describe_rationales(found, scores(rows))


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


def test_one_seed_never_says_that_rationales_helped():
    said = headline(
        ("step-by-step", "label-distill", ONE_SEED), ("step-by-step", "finetune", ONE_SEED)
    )
    assert said == (
        "One seed gives no verdict on rationales. Against the teacher's bare labels, on one seed: "
        "+10.0 points (95 % CI over test rows +5.0 to +15.0). Test accuracy: step-by-step 80.0%, "
        "label-distill 70.0%. Against fine-tuning on gold labels: +10.0 points (95 % CI over test "
        "rows +5.0 to +15.0)."
    )


def test_a_control_with_one_seed_does_not_show_that_it_is_the_reasons():
    said = headline(
        ("step-by-step", "label-distill", HELPED), ("step-by-step", "blank-rationales", ONE_SEED)
    )
    assert "But it need not be the reasons: against blank rationales, no verdict from" in said


def test_with_gold_labels_alone_the_baseline_is_fine_tuning():
    said = headline(("step-by-step-gold", "finetune", HELPED))
    assert said.startswith("Against fine-tuning on gold labels, rationales helped by 10.0")


def test_the_headline_is_about_the_most_train_rows():
    said = headline(("step-by-step", "label-distill", HELPED), rows=1000)
    assert said.startswith("Trained on 1,000 rows: against the teacher's bare labels, rationales")
    fewer = MethodComparison("step-by-step", "label-distill", HURT, 20)
    more = MethodComparison("step-by-step", "label-distill", HELPED, 30)
    said = describe_rationales([more, fewer], [*scores(30), *scores(20)])
    assert said.startswith("Trained on 30 rows: against the teacher's bare labels, rationales help")
    said = describe_rationales(
        [fewer, MethodComparison("step-by-step", "finetune", UNSEEN)], scores()
    )
    assert said.startswith("Against fine-tuning on gold labels, no difference detected")


def test_without_comparisons_the_answer_is_unknown():
    assert describe_rationales([], []).startswith("Whether rationales help is not known")


def test_with_several_students_the_headline_names_its_own():
    compared = [MethodComparison("step-by-step", "label-distill", HELPED)]
    said = describe_rationales(compared, scores(), students=["", "small", "wide"])
    assert said.endswith("This is about the student main; small and wide may differ.")
    said = describe_rationales(compared, scores(), students=["wide", "a", "b", "c"])
    assert said.endswith("This is about the student wide; 3 others may differ.")


def outcomes(accuracy: float, parsed: int = 100) -> OutcomeCounts:
    """100 answers of the teacher, of which some could be parsed."""
    return OutcomeCounts(
        100, 100, {"ok": parsed}, 0, Score(accuracy, 0, 1, 100), None,
        parsed_score=Score(accuracy * 100 / parsed, 0, 1, parsed),
    )  # fmt: skip


def describe(
    teacher: OutcomeCounts | None, *found: MethodComparison, rows: int | None = None
) -> str:
    [method] = [one for one in scores(rows) if one.method == "step-by-step"]
    return describe_student(method, [method], teacher, found)


def test_the_student_stands_beside_the_teacher():
    said = describe(outcomes(0.9), MethodComparison("step-by-step", "teacher", HURT))
    assert said == (
        "step-by-step answers 80.0% of the test rows correctly, the teacher 90.0%. Against the "
        "teacher: worse by 10.0 points (95 % CI 5.0 to 15.0)."
    )
    said = describe(outcomes(0.7), MethodComparison("step-by-step", "teacher", HELPED))
    assert said.endswith("Against the teacher: better by 10.0 points (95 % CI 5.0 to 15.0).")
    said = describe(outcomes(0.7), MethodComparison("step-by-step", "teacher", ONE_SEED))
    assert said.endswith(
        "Against the teacher, on one seed: +10.0 points (95 % CI over test rows +5.0 to +15.0)."
    )
    few = MethodComparison("step-by-step", "teacher", UNSEEN, 30)
    assert describe(outcomes(0.7), few, rows=30).startswith("Trained on 30 rows, step-by-step an")


def test_the_teacher_s_accuracy_on_readable_answers_comes_with_their_share():
    assert "the teacher 72.0% (90.0% of the 80.0% that could be parsed)." in describe(
        outcomes(0.72, 80)
    )


def test_a_teacher_that_answered_some_rows_is_compared_on_those():
    teacher = replace(outcomes(0.9), score=Score(0.9, 0, 1, 60), parsed_score=None)
    said = describe(teacher, MethodComparison("step-by-step", "teacher", UNSEEN))
    assert "Against the teacher on the 60 rows that it answered: no difference detected" in said


def test_a_teacher_that_was_not_asked_is_said_to_be_unknown():
    said = describe(None)
    assert said == (
        "step-by-step answers 80.0% of the test rows correctly. The teacher did not answer the "
        "test rows, so it is unknown whether it is better."
    )


def test_the_student_to_deploy_is_the_best_on_validation():
    """Not the best on test, no control, and none that needs the teacher."""
    found = [
        *scores(30),
        *(
            replace(one, students=[replace(s, validation_accuracy=share) for s in one.students])
            for one in scores()
            for share in [{"finetune": 0.8, "keyword-rationales": 0.9}.get(one.method, 0.7)]
        ),
    ]
    assert (choose_student(found).method, choose_student(found).rows) == ("finetune", None)
    equal = [one for one in found if one.rows is None and one.method != "finetune"]
    assert choose_student(equal).method == "step-by-step"
    controls = [one for one in found if METHODS[one.method].control]
    assert METHODS[choose_student(controls).method].control
    said = describe_student(choose_student(found), found, None, [])
    assert said.endswith("It is the best of 4 methods on validation.")


def beside(name: str, comparison: Comparison) -> MethodComparison:
    return MethodComparison("step-by-step", name, comparison)


def test_baselines_that_are_not_beaten_are_named_with_the_difference():
    found = [beside("majority-label", HELPED), beside("tf-idf", HURT), beside("untrained", UNSEEN)]
    assert describe_baselines("It", found) == [
        "It beats majority-label.",
        "It does not beat tf-idf: worse by 10.0 points (95 % CI 5.0 to 15.0).",
        "It is not shown to beat untrained: no difference detected: +1.0 points (95 % CI −3.0 to "
        "+5.0; minimum detectable effect 6.0).",
    ]
    assert describe_baselines("It", []) == []


def test_with_one_seed_a_student_is_at_most_ahead_of_a_baseline():
    behind = replace(HURT, seeds=1)
    found = [beside("majority-label", ONE_SEED), beside("tf-idf", behind)]
    assert describe_baselines("It", found) == [
        "It is ahead of majority-label on one seed.",
        "It does not beat tf-idf, on one seed: −10.0 points (95 % CI over test rows −15.0 to "
        "−5.0).",
    ]


def test_baselines_are_part_of_the_headline():
    [method] = [one for one in scores() if one.method == "step-by-step"]
    other = MethodComparison("finetune", "tf-idf-gold", HURT)
    said = describe_student(method, [method], None, [], [beside("tf-idf", HELPED), other])
    assert said.endswith("It beats tf-idf.")
