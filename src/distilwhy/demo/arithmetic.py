"""Word problems whose answer is an equation; each also contains a number that does not matter.

There are three kinds: carpet for a room, equal shares, and change due. The answer is the equation
rather than its value, so that it shows which numbers were used and how.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from distilwhy.core.parsing.numbers.expression import parse_equation
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


_Solution = tuple[str, str]
_Explain = Callable[..., list[_Solution]]
_Templates = tuple[str, ...]


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
    return _solutions(question)[0]


def misread(question: str, choice: int) -> _Solution:
    """A rationale with a wrong number or operation, and the wrong equation it leads to.

    ``choice`` selects one of the possible mistakes; any integer will do.
    """
    right, *others = _solutions(question)
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


def _solutions(question: str) -> list[_Solution]:
    """The right solution of a question first, then wrong ones."""
    kinds: tuple[tuple[_Explain, _Templates, _Templates, _Templates], ...] = (
        (_explain_carpet, _CARPET, _CARPET_LESS, _CARPET_IDLE),
        (_explain_share, _SHARE, _SHARE_LESS, _SHARE_IDLE),
        (_explain_change, _CHANGE, _CHANGE_MORE, _CHANGE_IDLE),
    )
    for explain, main, extra, idles in kinds:
        found, idle = _find(main, question), _find(idles, question)
        if found and idle:
            return explain(**found, **_find(extra, question), **idle)
    raise DataError(f"no carpet, share or change problem in {question[:80]!r}")


def _find(templates: _Templates, question: str) -> dict[str, int]:
    """The numbers, by name, in the first of the sentences that the question contains."""
    for template in templates:
        pattern = re.sub(r"\\\{([abcdx])\\\}", r"(?P<\1>\\d+)", re.escape(template))
        match = re.search(re.sub(r"\\\{\w+\\\}", "[a-z ]+?", pattern), question)
        if match:
            return {name: int(number) for name, number in match.groupdict().items()}
    return {}


def _explain_carpet(a: int, b: int, x: int, c: int | None = None) -> list[_Solution]:
    """``x`` is the number that does not matter."""
    area = f"The floor is {a} by {b} metres, so {a} * {b}."
    wrong = f"The floor is {a} by {x} metres, so {a} * {x}."
    around = f"Carpet goes along the length and the width, so {a} + {b}."
    if c is None:
        return [
            (f"{area} All of it gets carpet.", f"{a} * {b}"),
            (f"{wrong} All of it gets carpet.", f"{a} * {x}"),
            (f"{around} All of it gets carpet.", f"{a} + {b}"),
        ]
    less = f"{c} square metres get no carpet, so they are taken off."
    more = f"{c} square metres come on top, so they are added."
    return [
        (f"{area} {less}", f"( {a} * {b} ) - {c}"),
        (f"{area} {more}", f"( {a} * {b} ) + {c}"),
        (f"{around} {less}", f"( {a} + {b} ) - {c}"),
    ]


def _explain_share(a: int, b: int, x: int, c: int | None = None) -> list[_Solution]:
    into = f"They go equally into {b} boxes, so the number is divided by {b}."
    wrong = f"They go equally among {x}, so the number is divided by {x}."
    times = f"There are {b} boxes, so the number is multiplied by {b}."
    if c is None:
        have = f"There are {a} to pack."
        return [
            (f"{have} {into}", f"{a} / {b}"),
            (f"{have} {wrong}", f"{a} / {x}"),
            (f"{have} {times}", f"{a} * {b}"),
        ]
    left = f"Of {a}, {c} are taken away, so {a} - {c} are left."
    more = f"To {a}, {c} are added, so there are {a} + {c}."
    return [
        (f"{left} {into}", f"( {a} - {c} ) / {b}"),
        (f"{more} {into}", f"( {a} + {c} ) / {b}"),
        (f"{left} {wrong}", f"( {a} - {c} ) / {x}"),
    ]


def _explain_change(a: int, b: int, c: int, x: int, d: int | None = None) -> list[_Solution]:
    cost = f"{a} pieces at {b} coins cost {a} * {b}."
    wrong = f"{a} pieces at {x} coins cost {a} * {x}."
    pays = f"That is taken from the {c} coins paid."
    if d is None:
        return [
            (f"{cost} {pays}", f"{c} - ( {a} * {b} )"),
            (f"{wrong} {pays}", f"{c} - ( {a} * {x} )"),
            (f"{cost} {c} coins come on top.", f"( {a} * {b} ) + {c}"),
        ]
    extra, off = f"{d} coins are added.", f"{d} coins are taken off."
    return [
        (f"{cost} {extra} {pays}", f"{c} - ( {a} * {b} + {d} )"),
        (f"{cost} {off} {pays}", f"{c} - ( {a} * {b} - {d} )"),
        (f"{cost} {pays}", f"{c} - ( {a} * {b} )"),
    ]
