"""Help-desk messages, the team that handles each, and why.

Lanternbay Home Networks is an invented company. A fixed policy routes a message to a team by the
product's family, the issue and the contract. A student has to learn which family a product belongs
to, what a customer's words mean, and the policy itself.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from distilwhy.errors import DataError

PRODUCTS: dict[str, tuple[str, ...]] = {
    "router": (
        "Harbor 40", "Willow 7", "Kestrel 12", "Orchard 3",
        "Pebble 21", "Saffron 5", "Heron 60", "Juniper 18",
    ),
    "range extender": (
        "Maple 15", "Comet 2", "Tundra 33", "Lantern 9",
        "Canyon 4", "Ripple 52", "Sparrow 8", "Cedar 31",
    ),
    "camera": (
        "Falcon 50", "Meadow 11", "Copper 27", "Summit 1",
        "Violet 36", "Marble 14", "Otter 70", "Zephyr 6",
    ),
    "storage box": (
        "Granite 25", "Velvet 10", "Thistle 13", "Amber 44",
        "Cobalt 19", "Walnut 3", "Raven 55", "Quartz 80",
    ),
    "phone adapter": (
        "Acorn 29", "Beacon 6", "Clover 77", "Dune 2",
        "Ivory 16", "Lagoon 41", "Pepper 9", "Tulip 23",
    ),
}  # fmt: skip

ISSUES: dict[str, tuple[str, ...]] = {
    "an unstable connection": (
        "drops out every evening",
        "keeps losing the network",
        "comes and goes all day",
        "falls silent whenever it rains",
        "cannot hold a link for ten minutes",
    ),
    "a power fault": (
        "shows no lights at all",
        "will not switch on",
        "went dark after the storm",
        "shuts itself off at noon",
        "smells of burning plastic",
    ),
    "a set-up problem": (
        "is stuck on the welcome page",
        "refuses the activation code",
        "is not found by the app",
        "never finishes pairing",
        "has blinked orange since I unpacked it",
    ),
    "a billing question": (
        "appears twice on my invoice",
        "was charged after I sent it back",
        "costs more than I was quoted",
        "lost its discount this month",
        "comes with a fee nobody explained",
    ),
    "a security concern": (
        "has a login I do not recognise",
        "talks to an unknown address at night",
        "let a stranger change the name",
        "lists a guest that none of us added",
        "warns about a changed key",
    ),
}

TIERS = ("Bronze", "Silver", "Gold")

# One row a family; its columns are in the order of ISSUES.
_POLICY: dict[str, tuple[str, str, str, str, str]] = {
    "router": ("Line Desk", "Swap Desk", "Welcome Desk", "Accounts", "Trust Desk"),
    "range extender": ("Radio Desk", "Swap Desk", "Radio Desk", "Accounts", "Line Desk"),
    "camera": ("Radio Desk", "Bench Repair", "Home Visits", "Refunds", "Privacy Desk"),
    "storage box": ("Data Rescue", "Data Rescue", "Welcome Desk", "Refunds", "Privacy Desk"),
    "phone adapter": ("Voice Desk", "Bench Repair", "Voice Desk", "Accounts", "Trust Desk"),
}

# The issues that a Gold contract sends to another team, and for which families.
_GOLD: dict[str, tuple[str, ...]] = {
    "an unstable connection": ("router", "phone adapter", "storage box"),
    "a power fault": ("router", "camera", "phone adapter"),
    "a security concern": ("camera", "range extender"),
}
_GOLD_TEAM = "Priority Desk"

TEAMS: tuple[str, ...] = tuple(
    dict.fromkeys([*(team for row in _POLICY.values() for team in row), _GOLD_TEAM])
)

_OPENINGS = (
    "My {} {}.",
    "Our {} {}.",
    "The {} {}.",
    "Please help, my {} {}.",
    "It seems our {} {}.",
)
_CONTRACTS = (
    "Our contract is {}.", "I am on the {} contract.", "We pay for {}.", "My plan is {}.",
)  # fmt: skip
_CHATTER = (
    "I have been a customer for six years.",
    "I already looked at the manual.",
    "We moved house in March.",
    "I work from home most days.",
    "Please answer by mail.",
    "I can be reached after five.",
    "Your shop sent me here.",
    "The children noticed it first.",
    "I am not good with such things.",
    "There are four of us here.",
    "We live on the top floor.",
    "Thanks for your patience.",
    "I tried a new cable.",
    "The weather was fine.",
    "I kept the box it came in.",
    "This is my second message.",
)

_FAMILY_OF = {product: family for family, products in PRODUCTS.items() for product in products}
_ISSUE_OF = {phrase: issue for issue, phrases in ISSUES.items() for phrase in phrases}
_ANY_PRODUCT = "|".join(sorted(map(re.escape, _FAMILY_OF), key=len, reverse=True))
_ANY_PHRASE = "|".join(map(re.escape, _ISSUE_OF))
_COMPLAINT = re.compile(rf"\b({_ANY_PRODUCT}) ({_ANY_PHRASE})\.")
_CONTRACT = re.compile(
    "|".join(re.escape(c).replace(r"\{\}", f"({'|'.join(TIERS)})") for c in _CONTRACTS)
)


@dataclass(frozen=True)
class Ticket:
    """A message to the help desk, and the team that handles it."""

    id: str
    message: str
    team: str


@dataclass(frozen=True)
class _Facts:
    """What a message says."""

    product: str
    family: str
    phrase: str
    issue: str
    tier: str


def generate_tickets(count: int, seed: int) -> list[Ticket]:
    """``count`` tickets with distinct messages; a seed always gives the same ones."""
    return draw_tickets(count, seed, "ticket", _write_message, solve)


def draw_tickets(
    count: int,
    seed: int,
    prefix: str,
    write: Callable[[random.Random], str],
    solve: Callable[[str], tuple[str, str]],
) -> list[Ticket]:
    """``count`` tickets with distinct messages.

    Args:
        prefix: What their ids begin with.
        write: Draws a message.
        solve: The rationale for a message, and its team.
    """
    rng = random.Random(seed)
    messages: dict[str, None] = {}
    while len(messages) < count:
        messages[write(rng)] = None
    return [
        Ticket(f"{prefix}-{seed}-{number:06d}", message, solve(message)[1])
        for number, message in enumerate(messages)
    ]


def solve(message: str) -> tuple[str, str]:
    """The rationale for a message, and its team.

    Raises:
        DataError: if the message names no product with a known issue, or no contract.
    """
    facts = _read(message)
    return _explain(facts), _team(facts)


def misread(message: str, choice: int) -> tuple[str, str]:
    """A rationale that gets one fact of a message wrong, and the wrong team it leads to.

    ``choice`` selects one of the possible mistakes; any integer will do.
    """
    facts = _read(message)
    readings = [
        *(replace(facts, issue=issue) for issue in ISSUES),
        *(replace(facts, family=family) for family in PRODUCTS),
        *(replace(facts, tier=tier) for tier in TIERS),
    ]
    wrong = [reading for reading in readings if _team(reading) != _team(facts)]
    picked = wrong[choice % len(wrong)]
    return _explain(picked), _team(picked)


def _write_message(rng: random.Random) -> str:
    product, phrase = rng.choice(list(_FAMILY_OF)), rng.choice(list(_ISSUE_OF))
    sentences = [
        rng.choice(_OPENINGS).format(product, phrase),
        rng.choice(_CONTRACTS).format(rng.choice(TIERS)),
        *rng.sample(_CHATTER, 2),
    ]
    rng.shuffle(sentences)
    return " ".join(sentences)


def _read(message: str) -> _Facts:
    complaint, contract = _COMPLAINT.search(message), _CONTRACT.search(message)
    if complaint is None:
        raise DataError(f"no product with a known complaint in {message[:80]!r}")
    if contract is None:
        raise DataError(f"no contract in {message[:80]!r}: say which of {', '.join(TIERS)} it is")
    product, phrase = complaint.groups()
    tier = next(group for group in contract.groups() if group)
    return _Facts(product, _FAMILY_OF[product], phrase, _ISSUE_OF[phrase], tier)


def _team(facts: _Facts) -> str:
    if facts.tier == "Gold" and facts.family in _GOLD.get(facts.issue, ()):
        return _GOLD_TEAM
    return _POLICY[facts.family][list(ISSUES).index(facts.issue)]


def _explain(facts: _Facts) -> str:
    return (
        f"The {facts.product} is a {facts.family}. The customer reports {facts.issue}. "
        f"On a {facts.tier} contract that goes to {_team(facts)}."
    )
