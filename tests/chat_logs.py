"""A log of chats about a park: requests with replies, some repeated, some with personal data."""

import json
import random
from collections.abc import Mapping
from pathlib import Path

SYSTEM = "You sort the messages of a parks department into damage, question or praise."
ASKED = "Give a reason and the kind.\n\nMessage: {message}\nKind:"
REASONS = {
    "damage": "Something is broken.",
    "question": "The writer wants to know something.",
    "praise": "The writer is pleased.",
}
_FORMS = {
    "damage": "The {thing} {place} {fault}.",
    "question": "May dogs use the {thing} {place}?",
    "praise": "We love the {thing} {place}.",
}
_THINGS = ("swing", "slide", "bench", "fountain", "lamp", "gate", "pond", "hedge", "bin", "map")
_PLACES = ("near Elm Street", "behind the old rose garden", "on Mill Lane", "by the boat house",
           "at the north gate", "under the bandstand")  # fmt: skip
_FAULTS = ("is broken", "has a long crack", "was painted over at night", "leaks day and night")
_MORE = (
    "", "We come here daily with our children", "My mother told me about it",
    "A neighbour of ours agrees", "It was like that before the flood", "Others say so as well",
)  # fmt: skip
_WHEN = ("in spring", "all summer long", "every autumn", "since the fair", "on rainy days")
_PERSONAL = (
    " Write to {name}{number}@example.org.",
    " Call +44 7700 9{number:05}.",
    " My card is 4111 1111 1111 1111.",
)


def chat(message: str, kind: str) -> list[dict[str, str]]:
    """The request for a message."""
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": ASKED.format(message=message)},
    ]


def reply(kind: str) -> str:
    return f"{REASONS[kind]} So the answer is {kind}."


def entry(number: int, message: str, kind: str) -> dict[str, object]:
    """A line as a proxy writes it: the bodies of the request and of the response."""
    choice = {"message": {"role": "assistant", "content": reply(kind)}, "finish_reason": "stop"}
    return {
        "id": f"call-{number}",
        "request": {"model": "gpt-4o-mini", "messages": chat(message, kind)},
        "response": {"model": "gpt-4o-mini-2024-07-18", "choices": [choice]},
    }


def messages(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Messages with their kinds. Of a hundred, about five are repeated and five nearly so."""
    rng, made = random.Random(seed), list[tuple[str, str]]()
    for number in range(count):
        if made and rng.random() < 0.1:
            text, kind = rng.choice(made)
            made.append((f"{text}{rng.choice(['', ' Thanks.'])}", kind))
            continue
        kind = rng.choice(list(_FORMS))
        text = _FORMS[kind].format(
            thing=rng.choice(_THINGS), place=rng.choice(_PLACES), fault=rng.choice(_FAULTS)
        )
        personal = rng.choice(_PERSONAL) if rng.random() < 0.2 else ""
        personal = personal.format(name=rng.choice("abc"), number=number)
        more = rng.choice(_MORE)
        more = f" {more} {rng.choice(_WHEN)}." if more else ""
        made.append((f"{text}{more}{personal}", kind))
    return made


def write_log(path: Path, lines: list[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path
