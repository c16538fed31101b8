"""A study to report on: a help desk's messages, nine methods, three sizes, five seeds.

The numbers are made up, and look like real ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from random import Random
from statistics import NormalDist

import numpy as np
from scipy.special import expit, logit

from distilwhy.core.cost import Bill, Measurements, Prices
from distilwhy.core.method import METHODS
from distilwhy.core.results import (
    BaselineScore,
    Case,
    Confusion,
    MethodScore,
    Provenance,
    Results,
    StudentScore,
)
from distilwhy.core.stats.comparisons import MethodComparison, OutcomeCounts
from distilwhy.core.stats.confusions import OTHERS
from distilwhy.core.stats.curve import Band, Curve, Efficiency, Point
from distilwhy.core.stats.deployment import (
    Costs,
    DeploymentScore,
    choose_deployment,
    score_deployment,
)
from distilwhy.core.stats.progress import Progress
from distilwhy.core.stats.scores import Comparison, Score

THREE = ("finetune", "label-distill", "step-by-step")
# By method: accuracy(n) = top - drop * n ** -0.6, and the seconds that its training takes.
LAWS = {
    "finetune": (0.948, 8.1, 212.0),
    "label-distill": (0.936, 8.6, 208.0),
    "step-by-step": (0.951, 6.2, 391.0),
    "step-by-step-gold": (0.957, 6.3, 402.0),
    "rationale-input": (0.942, 3.1, 305.0),
    "rationale-then-label": (0.921, 9.4, 377.0),
    "label-then-rationale": (0.938, 8.0, 384.0),
    "blank-rationales": (0.935, 8.8, 233.0),
    "shuffled-rationales": (0.929, 9.0, 388.0),
}
SIZES = (500, 1000, 4000)
SEEDS = 5
TEST_ROWS = 1500
TEAMS = ("Access", "Billing", "Field", "Gold", "Hardware", "Radio", "Storage", "Voice")
PRODUCTS = (
    ("Kestrel 12", "router"),
    ("Maple 15", "range extender"),
    ("Meadow 11", "camera"),
    ("Quartz 80", "storage box"),
    ("Tulip 23", "phone adapter"),
)
TROUBLES = (
    ("falls silent whenever it rains", "an unstable connection"),
    ("went dark after the storm", "a power fault"),
    ("refuses the activation code", "a set-up problem"),
    ("shows up twice on the invoice", "a question of billing"),
)
CHATTER = (
    "We live on the top floor.",
    "I have been a customer for six years.",
    "The children noticed it first.",
    "Thanks for your patience.",
    "I already looked at the manual.",
)
BASELINES = {"majority-label": 0.19, "tf-idf": 0.871}
CONTROLS = ("blank-rationales", "shuffled-rationales")
REASONS = ("step-by-step", "step-by-step-gold", "rationale-then-label", "label-then-rationale")


def make_score(accuracy: float, seeds: int = SEEDS, rows: int = TEST_ROWS) -> Score:
    """A score with an interval that is about right for its rows and seeds."""
    reach = 2.1 * (accuracy * (1 - accuracy) * (0.8 / rows + 0.25 / rows / seeds)) ** 0.5
    return Score(accuracy, max(0.0, accuracy - reach), min(1.0, accuracy + reach), rows, seeds)


def make_comparison(
    difference: float, error: float, family: int = 1, seeds: int = SEEDS
) -> Comparison:
    """A comparison by the normal law; ``family`` multiplies its p."""
    p = 2 * (1 - NormalDist().cdf(abs(difference) / error))
    reach = 1.96 * error
    return Comparison(
        difference=difference,
        low=difference - reach,
        high=difference + reach,
        p=p,
        adjusted=min(1.0, p * family),
        detectable=2.8 * error,
        seeds=seeds,
    )


def make_results(
    methods: Sequence[str] = tuple(LAWS), sizes: Sequence[int] = SIZES, seeds: int = SEEDS
) -> Results:
    """The study; the last size is all train rows. With one size there are no curves."""
    rng = Random(7)
    scores = [_method_score(name, rows, seeds, rng) for rows in sizes for name in methods]
    curves = [_curve(name, scores) for name in methods] if len(sizes) > 1 else []
    whole = [replace(one, rows=None) if one.rows == sizes[-1] else one for one in scores]
    return Results(
        name="Routing at Lanternbay's help desk",
        headline=(
            "step-by-step-gold answers 91.4% of the test rows correctly, the teacher 92.9% (94.9% "
            "of the 98.0% that could be parsed). Against the teacher: worse by 1.5 points (95 % CI "
            "0.7 to 2.3). It beats majority-label and tf-idf. It is the best of 6 methods on "
            "validation.\n"
            "Against the teacher's bare labels, rationales helped by 3.1 points (95 % CI 2.3 to "
            "3.9). Test accuracy: step-by-step 90.6%, label-distill 87.4%. Against fine-tuning on "
            "gold labels: helped by 1.4 points (95 % CI 0.6 to 2.2). It is the reasons, as far as "
            "controls show: blank rationales and rationales of other rows do worse."
        ),
        teacher={
            "train": make_outcome_counts(4000, 3921, 31, 4, 40, 4, 0.9312),
            "validation": make_outcome_counts(400, 393, 3, 0, 4, 0, 0.9275),
            "test": make_outcome_counts(TEST_ROWS, 1468, 12, 3, 15, 2, 0.9287),
        },
        methods=whole,
        comparisons=_comparisons(whole),
        against_teacher=_against(whole, "teacher", 0.9287),
        baselines=[
            BaselineScore(name, one.rows, make_score(accuracy, 1))
            for one in whole
            if one.method == whole[0].method
            for name, accuracy in BASELINES.items()
        ],
        against_baselines=[
            one for name, accuracy in BASELINES.items() for one in _against(whole, name, accuracy)
        ],
        curves=curves,
        efficiency=[_efficiency(name) for name in methods[:3]] if curves else [],
        bill=make_bill(),
        confusions=[_confusion(name, rng) for name in methods],
        deployments=[
            _deployment(name, seed)
            for seed, name in enumerate(methods)
            if name != "rationale-input"
        ],
        provenance=_provenance(sizes, seeds),
    )


def make_cases(count: int, methods: Sequence[str] = tuple(LAWS)) -> Iterator[Case]:
    """Test rows with what was said about each."""
    rng = Random(11)
    yield from islice(_cases(rng, methods), count)


def make_bill() -> Bill:
    """A bill on which everything is known."""
    usage = Measurements(
        calls=5900,
        input_tokens=7_316_000,
        output_tokens=502_680,
        counted=5900,
        rows=5900,
        training_seconds=391.4,
        student_rows_per_second=812.0,
        teacher_rows_per_second=6.4,
    )
    return Bill(
        usage=usage,
        prices=Prices(currency="USD", input=2.5, output=10.0, machine_hour=0.34),
        spent=23.3168,
        teacher_per_1000=3.952,
        student_per_1000=0.000116,
        training=0.03697,
        break_even=5910,
        method="step-by-step-gold",
    )


def _accuracy(method: str, rows: float) -> float:
    top, drop, _ = LAWS[method]
    return float(top - drop * rows**-0.6)


def _method_score(method: str, rows: int, seeds: int, rng: Random) -> MethodScore:
    students = [_student(method, rows, seed, rng) for seed in range(seeds)]
    mean = sum(student.score.accuracy for student in students) / seeds
    wrong = {"known": rows, "wrong": rows // 15, "explained": 0, "unreasoned": 0, "dropped": 0}
    return MethodScore(
        method=method,
        rows=rows,
        score=make_score(mean, seeds),
        wrong_rationales=wrong if method in REASONS else {},
        students=students,
    )


def _student(method: str, rows: int, seed: int, rng: Random) -> StudentScore:
    right = round(TEST_ROWS * (_accuracy(method, rows) + rng.gauss(0, 0.004)))
    return StudentScore(
        seed=seed,
        score=make_score(right / TEST_ROWS, seeds=1),
        best_step=rng.randrange(12, 21) * 100,
        validation_accuracy=_accuracy(method, rows) + rng.gauss(0.003, 0.01),
        parameters=60_506_880,
        size=242_041_896,
        lr=3e-4,
        seconds=LAWS[method][2] * (0.6 + rows / 10000) + rng.uniform(-4, 4),
        rows_per_second=rng.uniform(790, 835) / (3 if method == "rationale-then-label" else 1),
        teacher_calls=TEST_ROWS if method == "rationale-input" else 0,
    )


def _comparisons(scores: Sequence[MethodScore]) -> list[MethodComparison]:
    found = []
    for first in scores:
        for other in scores:
            tried = first.method in REASONS and other.method in ("finetune", "label-distill")
            control = first.method == "step-by-step" and other.method in CONTROLS
            if first.rows == other.rows and (tried or control):
                difference = first.score.accuracy - other.score.accuracy
                comparison = make_comparison(difference, 0.0041, 10, first.score.seeds)
                found.append(MethodComparison(first.method, other.method, comparison, first.rows))
    return found


def _against(scores: Sequence[MethodScore], name: str, accuracy: float) -> list[MethodComparison]:
    return [
        MethodComparison(
            one.method,
            name,
            make_comparison(one.score.accuracy - accuracy, 0.0041, 18, one.score.seeds),
            one.rows,
        )
        for one in scores
        if METHODS[one.method].is_deployable
    ]


def _curve(method: str, scores: Sequence[MethodScore]) -> Curve:
    own = [Point(s.rows, s.score) for s in scores if s.method == method and s.rows is not None]
    if len(own) < 3:
        return Curve(method, own, ())
    low, high = own[0].rows, 2 * own[-1].rows
    steps = [round(low * (high / low) ** (i / 48)) for i in range(49)]
    return Curve(method, own, [_band(method, rows) for rows in steps])


def _band(method: str, rows: int) -> Band:
    middle = _accuracy(method, rows)
    reach = 0.012 * (1 + max(0, rows - 4000) / 8000)
    return Band(rows, middle, middle - reach, min(1.0, middle + reach))


def _efficiency(method: str) -> Efficiency:
    gain = _accuracy(method, 5000) - _accuracy(method, 4000)
    return Efficiency(
        method=method,
        rows=4000,
        matches=None if method == "finetune" else (2310, 1480, None),
        more=1000,
        gain=Band(5000, gain, gain - 0.003, gain + 0.004),
    )


def make_outcome_counts(
    rows: int, ok: int, unparsed: int, refused: int, truncated: int, failed: int, accuracy: float
) -> OutcomeCounts:
    return OutcomeCounts(
        rows=rows,
        asked=rows,
        outcomes={
            "ok": ok,
            "unparsed": unparsed,
            "refused": refused,
            "truncated": truncated,
            "failed": failed,
        },
        without_rationale=2,
        score=make_score(accuracy, seeds=1, rows=rows),
        problem=("ticket-3-000417", "no answer is found in 'It depends on the contract …'"),
        parsed_score=make_score(accuracy * rows / ok, seeds=1, rows=ok),
    )


def _deployment(method: str, seed: int) -> DeploymentScore:
    """A student that is too sure of itself, with a cascade where the threshold can be found."""
    rng = np.random.default_rng(seed)

    def draw(rows: int) -> tuple[list[float], list[bool]]:
        truth = rng.beta(5, 0.5, rows)
        return expit(2.5 * logit(truth)).tolist(), (rng.random(rows) < truth).tolist()

    target = 0.99 if method == "finetune" else 0.95
    chosen = choose_deployment(*draw(400), "gold", target)
    teacher = (rng.random(TEST_ROWS) < 0.9287).tolist()
    costs = Costs(0.000116, 3.952, "USD")
    return score_deployment(method, 0, chosen, *draw(TEST_ROWS), teacher, costs)


def _confusion(method: str, rng: Random) -> Confusion:
    labels = (*TEAMS, OTHERS)
    counts = []
    for gold in range(len(labels)):
        row = [max(0, round(rng.gauss(2, 3))) for _ in range(len(labels) + 1)]
        row[gold], row[-1] = rng.randrange(120, 190), rng.choice((0, 0, 0, 1))
        counts.append(row)
    return Confusion(method, labels, counts)


def _cases(rng: Random, methods: Sequence[str]) -> Iterator[Case]:
    number = 0
    while True:
        (product, family), (trouble, kind) = rng.choice(PRODUCTS), rng.choice(TROUBLES)
        plan = rng.choice(("Bronze", "Silver", "Gold"))
        gold = rng.choice(TEAMS)
        unread = rng.random() < 0.02
        teacher = None if unread else gold if rng.random() < 0.94 else rng.choice(TEAMS)
        said = {name: _answer(rng, gold) for name in methods}
        right = {name: answer == gold for name, answer in said.items()}
        reasons = f"The {product} is a {family}. The customer reports {kind}. "
        reasons += f"On a {plan} contract that goes to "
        differ = len(set(right.values())) > 1
        yield Case(
            id=f"ticket-3-{number:06d}",
            text=(
                f"{rng.choice(CHATTER)} It seems our {product} {trouble}. My plan is {plan}. "
                f"Our number is {rng.randrange(10**6):06d}."
            ),
            options=(),
            gold=gold,
            teacher=teacher,
            teacher_rationale="" if unread else f"{reasons}{teacher}.",
            student_rationale=f"{reasons}{said.get('step-by-step')}." if differ else "",
            answers=said,
            right={**right, "teacher": teacher == gold},
        )
        number += 1


def _answer(rng: Random, gold: str) -> str | None:
    draw = rng.random()
    return gold if draw < 0.89 else None if draw > 0.995 else rng.choice(TEAMS)


def _provenance(sizes: Sequence[int], seeds: int) -> Provenance:
    return Provenance(
        started="2026-11-22T19:41:07+00:00",
        machine="2 cores (x86-64), 15.6 GiB memory, no GPU, Linux 6.1",
        versions={
            "distilwhy": "0.1.0",
            "python": "3.11.7",
            "torch": "2.13.0",
            "transformers": "5.23.0",
            "numpy": "2.4.1",
        },
        rows={"train": sizes[-1], "validation": 400, "test": TEST_ROWS},
        hashes={
            "train": "9d2f6c1a0c6b6f0a77f1d6a1e2a90d1f7f1b7fd6d1a4f1a0b6a2f5f4a3c2b1d0",
            "validation": "1c0f3a9e7b5d2846f0a1c3e5d7b9f0a2c4e6d8b0f1a3c5e7d9b1f3a5c7e9d0b2",
            "test": "77aa31c5e0b94f1288d3c06ea4f7b1295d60e8c3fb1a742590cd6e83af51b204",
            "annotations": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        },
        prompt=(
            "Send each message to the team that handles it.\n\n"
            "Message: My Harbor 40 drops out every evening. I am on the Gold contract.\n"
            "Reasons: The Harbor 40 is a router. The customer reports an unstable connection. On "
            "a Gold contract that goes to Gold.\nSo the answer is Gold.\n\n"
            "Message: We pay for Silver. Our Meadow 11 will not switch on.\nReasons:"
        ),
        settings=(
            f"task: task.yaml\nmethods:\n- finetune\n- step-by-step\ntraining:\n  seeds: {seeds}\n"
            "  lr: 0.0003\n"
        ),
    )


def add_training(results: Results, steps: int = 8, tokens: int = 1000) -> Results:
    """The same study with evaluations during training; ``step-by-step`` has not converged."""

    def trained(found: MethodScore) -> MethodScore:
        pace = 2 * tokens if found.method in REASONS else tokens
        progress = [
            Progress(100 * step, found.score.accuracy * step / steps, pace * step)
            for step in range(1, steps + 1)
        ]
        students = [replace(one, progress=progress) for one in found.students]
        return replace(found, students=students, is_rising=found.method == "step-by-step")

    return replace(results, methods=[trained(found) for found in results.methods])
