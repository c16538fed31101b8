"""Word problems whose answer is an equation; each also contains a number that does not matter.

There are three kinds: carpet for a room, equal shares, and change due. The answer is the equation
rather than its value, so that it shows which numbers were used and how.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from distilwhy.core.parsing.expression import parse_equation
from distilwhy.errors import DataError

_CARPET = (
    "A {room} is {a} metres long and {b} metres wide.",
    "A {room} measures {a} metres by {b} metres.",
)
_CARPET_LESS = (
    "A built-in {thing} covers {c} square metres of the floor and gets no carpet.",
    "No carpet is needed under the {thing}, which takes up {c} square metres.",
)
_CARPET_IDLE = (
    "The ceiling is {x} metres high.",
    "The old carpet was {x} years old.",
    "A roll of carpet costs {x} coins.",
)
_CARPET_ASK = (
    "How many square metres of carpet are needed?",
    "How much carpet, in square metres, is that?",
)
_SHARE = (
    "A {maker} has {a} {goods} and packs them equally into {b} boxes.",
    "{a} {goods} from a {maker} are shared equally among {b} boxes.",
)
_SHARE_LESS = (
    "Before that, {c} {goods} turn out to be spoilt and are thrown away.",
    "First {c} {goods} are set aside for the staff.",
)
_SHARE_IDLE = (
    "The {maker} opened {x} years ago.",
    "Each box weighs {x} grams.",
    "There are {x} customers in the queue.",
)
_SHARE_ASK = ("How many {goods} are in each box?", "How many {goods} does one box hold?")
_CHANGE = (
    "A customer buys {a} {goods} at {b} coins each and pays with {c} coins.",
    "{a} {goods} at {b} coins apiece are paid for with {c} coins.",
)
_CHANGE_MORE = ("A bag for {d} coins comes on top.", "Delivery adds {d} coins.")
_CHANGE_IDLE = (
    "The shop has {x} more {goods} on the shelf.",
    "A {goods_rival} would have cost {x} coins.",
    "The shop closes in {x} minutes.",
)
_CHANGE_ASK = ("How much change is due?", "How many coins does the customer get back?")

_ROOMS = ("hall", "bedroom", "study", "workshop", "waiting room", "loft")
_THINGS = ("cupboard", "stage", "fireplace", "bath", "counter", "stove")
_MAKERS = ("baker", "farmer", "potter", "florist", "toymaker", "candle maker")
_GOODS = ("rolls", "apples", "mugs", "tulips", "puppets", "candles", "pens", "tiles")
_RIVALS = ("basket", "lamp", "vase", "kite")


@dataclass(frozen=True)
class WordProblem:
    """A word problem, and the equation that answers it."""

    id: str
    question: str
    equation: str


@dataclass(frozen=True)
class _Facts:
    """The numbers of a problem, by their role; ``idle`` is the one that does not matter."""

    a: int
    b: int
    c: int | None
    d: int | None
    idle: int


_Solution = tuple[str, str]


def generate_problems(count: int, seed: int) -> list[WordProblem]:
    """``count`` problems with distinct questions; a seed always gives the same ones."""
    rng = random.Random(seed)
    questions: dict[str, None] = {}
    while len(questions) < count:
        questions[rng.choice((_write_carpet, _write_share, _write_change))(rng)] = None
    return [
        WordProblem(f"problem-{seed}-{number:06d}", question, solve(question)[1])
        for number, question in enumerate(questions)
    ]


def solve(question: str) -> _Solution:
    """The rationale for a question, and its equation.

    Raises:
        DataError: if the question is none of the three kinds of problem.
    """
    explain, facts = _read(question)
    return explain(facts)[0]


def misread(question: str, choice: int) -> _Solution:
    """A rationale with a wrong number or operation, and the wrong equation it leads to.

    Args:
        question: A question that ``solve`` can read.
        choice: Selects one of the possible mistakes; any integer will do.
    """
    explain, facts = _read(question)
    right, *others = explain(facts)
    value = parse_equation(right[1]).value
    mistakes = [other for other in others if parse_equation(other[1]).value != value]
    return mistakes[choice % len(mistakes)]


def _write_carpet(rng: random.Random) -> str:
    a, b = rng.randint(5, 30), rng.randint(4, 25)
    body = [rng.choice(_CARPET).format(room=rng.choice(_ROOMS), a=a, b=b)]
    if rng.random() < 0.6:
        less = rng.choice(_CARPET_LESS)
        body.append(less.format(thing=rng.choice(_THINGS), c=rng.randint(2, a * b // 3)))
    idle = rng.choice(_CARPET_IDLE).format(x=rng.randint(2, 20))
    return _assemble(rng, body, idle, rng.choice(_CARPET_ASK))


def _write_share(rng: random.Random) -> str:
    maker, goods = rng.choice(_MAKERS), rng.choice(_GOODS)
    boxes, each = rng.randint(2, 15), rng.randint(3, 40)
    spoilt = rng.randint(1, 30) if rng.random() < 0.6 else 0
    have = boxes * each + spoilt
    body = [rng.choice(_SHARE).format(maker=maker, goods=goods, a=have, b=boxes)]
    if spoilt:
        body.append(rng.choice(_SHARE_LESS).format(goods=goods, c=spoilt))
    idle = rng.choice(_SHARE_IDLE).format(maker=maker, x=rng.randint(2, 60))
    return _assemble(rng, body, idle, rng.choice(_SHARE_ASK).format(goods=goods))


def _write_change(rng: random.Random) -> str:
    goods, a, b = rng.choice(_GOODS), rng.randint(2, 12), rng.randint(2, 15)
    extra = rng.randint(1, 9) if rng.random() < 0.6 else 0
    paid = a * b + extra + rng.randint(1, 40)
    body = [rng.choice(_CHANGE).format(goods=goods, a=a, b=b, c=paid)]
    if extra:
        body.append(rng.choice(_CHANGE_MORE).format(d=extra))
    idle = rng.choice(_CHANGE_IDLE).format(
        goods=goods, goods_rival=rng.choice(_RIVALS), x=rng.randint(2, 60)
    )
    return _assemble(rng, body, idle, rng.choice(_CHANGE_ASK))


def _assemble(rng: random.Random, body: list[str], idle: str, ask: str) -> str:
    body.insert(rng.randint(0, len(body)), idle)
    return " ".join([*body, ask])


def _read(question: str) -> tuple[Callable[[_Facts], list[_Solution]], _Facts]:
    kinds = (
        (_explain_carpet, _CARPET, _CARPET_LESS, (), _CARPET_IDLE),
        (_explain_share, _SHARE, _SHARE_LESS, (), _SHARE_IDLE),
        (_explain_change, _CHANGE, (), _CHANGE_MORE, _CHANGE_IDLE),
    )
    for explain, main, less, more, idles in kinds:
        found, idle = _find(main, question), _find(idles, question)
        if found and idle:
            c, d = _find(less, question).get("c", found.get("c")), _find(more, question).get("d")
            return explain, _Facts(found["a"], found["b"], c, d, idle["x"])
    raise DataError(f"no carpet, share or change problem in {question[:80]!r}")


def _find(templates: tuple[str, ...], question: str) -> dict[str, int]:
    """The numbers, by name, in the first of the sentences that the question contains."""
    for template in templates:
        pattern = re.sub(r"\\\{([abcdx])\\\}", r"(?P<\1>\\d+)", re.escape(template))
        match = re.search(re.sub(r"\\\{\w+\\\}", "[a-z ]+?", pattern), question)
        if match:
            return {name: int(number) for name, number in match.groupdict().items()}
    return {}


def _explain_carpet(facts: _Facts) -> list[_Solution]:
    """The right solution first, then wrong ones."""
    area = f"The floor is {facts.a} by {facts.b} metres, so {facts.a} * {facts.b}."
    wrong = f"The floor is {facts.a} by {facts.idle} metres, so {facts.a} * {facts.idle}."
    around = f"Carpet goes along the length and the width, so {facts.a} + {facts.b}."
    if facts.c is None:
        return [
            (f"{area} All of it gets carpet.", f"{facts.a} * {facts.b}"),
            (f"{wrong} All of it gets carpet.", f"{facts.a} * {facts.idle}"),
            (f"{around} All of it gets carpet.", f"{facts.a} + {facts.b}"),
        ]
    less = f"{facts.c} square metres get no carpet, so they are taken off."
    more = f"{facts.c} square metres come on top, so they are added."
    return [
        (f"{area} {less}", f"( {facts.a} * {facts.b} ) - {facts.c}"),
        (f"{area} {more}", f"( {facts.a} * {facts.b} ) + {facts.c}"),
        (f"{around} {less}", f"( {facts.a} + {facts.b} ) - {facts.c}"),
    ]


def _explain_share(facts: _Facts) -> list[_Solution]:
    into = f"They go equally into {facts.b} boxes, so the number is divided by {facts.b}."
    wrong = f"They go equally among {facts.idle}, so the number is divided by {facts.idle}."
    times = f"There are {facts.b} boxes, so the number is multiplied by {facts.b}."
    if facts.c is None:
        have = f"There are {facts.a} to pack."
        return [
            (f"{have} {into}", f"{facts.a} / {facts.b}"),
            (f"{have} {wrong}", f"{facts.a} / {facts.idle}"),
            (f"{have} {times}", f"{facts.a} * {facts.b}"),
        ]
    left = f"Of {facts.a}, {facts.c} are taken away, so {facts.a} - {facts.c} are left."
    more = f"To {facts.a}, {facts.c} are added, so there are {facts.a} + {facts.c}."
    return [
        (f"{left} {into}", f"( {facts.a} - {facts.c} ) / {facts.b}"),
        (f"{more} {into}", f"( {facts.a} + {facts.c} ) / {facts.b}"),
        (f"{left} {wrong}", f"( {facts.a} - {facts.c} ) / {facts.idle}"),
    ]


def _explain_change(facts: _Facts) -> list[_Solution]:
    cost = f"{facts.a} pieces at {facts.b} coins cost {facts.a} * {facts.b}."
    wrong = f"{facts.a} pieces at {facts.idle} coins cost {facts.a} * {facts.idle}."
    pays = f"That is taken from the {facts.c} coins paid."
    if facts.d is None:
        return [
            (f"{cost} {pays}", f"{facts.c} - ( {facts.a} * {facts.b} )"),
            (f"{wrong} {pays}", f"{facts.c} - ( {facts.a} * {facts.idle} )"),
            (f"{cost} {facts.c} coins come on top.", f"( {facts.a} * {facts.b} ) + {facts.c}"),
        ]
    extra = f"{facts.d} coins are added."
    off = f"{facts.d} coins are taken off."
    return [
        (f"{cost} {extra} {pays}", f"{facts.c} - ( {facts.a} * {facts.b} + {facts.d} )"),
        (f"{cost} {off} {pays}", f"{facts.c} - ( {facts.a} * {facts.b} - {facts.d} )"),
        (f"{cost} {pays}", f"{facts.c} - ( {facts.a} * {facts.b} )"),
    ]
