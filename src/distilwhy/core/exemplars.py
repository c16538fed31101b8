"""Chooses the exemplars that a row's prompt shows."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from math import log
from typing import Literal

import numpy as np
import numpy.typing as npt

Draw = Literal["fixed", "random", "nearest"]
Indices = tuple[int, ...]

# A word, or one character of a script that puts no space between words.
_SIGN = r"\u3040-\u30ff\u3400-\u9fff"
_TERM = re.compile(rf"[{_SIGN}]|[^\W{_SIGN}]+")
# Few enough that the last bits, which differ between machines, cannot change a rank.
_DECIMALS = 9


def draw_exemplars(texts: Sequence[str], draw: Draw, count: int) -> Callable[[str], Indices]:
    """A function that chooses exemplars for a row, from the row's text and theirs alone.

    ``fixed`` shows all of them, in order. ``random`` draws some for each row, by a hash of its
    text: adding an exemplar to the pool changes only the rows that draw it. ``nearest`` takes
    the most similar ones by TF-IDF cosine, with document frequencies from the pool, and puts
    the nearest last (Liu et al. 2022, *What Makes Good In-Context Examples for GPT-3?*). The
    row itself is never drawn.

    Args:
        texts: The inputs of all exemplars, the pool.

    Returns:
        From a row's text, indices into ``texts`` in the order to show them.
    """
    if draw == "fixed":
        everything = tuple(range(len(texts)))
        return lambda text: everything
    rank = _rank_randomly(texts) if draw == "random" else _rank_by_likeness(texts)
    folded = [fold_text(text) for text in texts]

    def choose(text: str) -> Indices:
        row = fold_text(text)
        others = (i for i in rank(text) if folded[i] != row)
        return tuple(islice(others, count))[::-1]

    return choose


def fold_text(text: str) -> str:
    """A text without differences of case and spacing, which two copies of a row may have."""
    return " ".join(text.split()).casefold()


def _rank_randomly(texts: Sequence[str]) -> Callable[[str], Iterator[int]]:
    """By a hash of both texts (Thaler & Ravishankar 1998, *Using name-based mappings*)."""
    ours = np.array([_hash(text) for text in texts], dtype=np.uint64)

    def rank(text: str) -> Iterator[int]:
        return iter(np.argsort(_mix(ours ^ np.uint64(_hash(text))), kind="stable").tolist())

    return rank


def _hash(text: str) -> int:
    return int.from_bytes(sha256(text.encode(errors="surrogatepass")).digest()[:8])


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele, Lea & Flood 2014); much faster than another SHA-256."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _rank_by_likeness(texts: Sequence[str]) -> Callable[[str], Iterator[int]]:
    """Ranks exemplars by cosine, up to the norm of the row's own vector, which is constant."""
    counts = [Counter(list_terms(text)) for text in texts]
    frequencies = Counter(term for count in counts for term in count)
    idf = {term: log((1 + len(texts)) / (1 + found)) for term, found in frequencies.items()}
    lengths = [sum((n * idf[t]) ** 2 for t, n in c.items()) ** 0.5 or 1.0 for c in counts]
    found: dict[str, list[tuple[int, float]]] = {term: [] for term in idf}
    for place, (count, length) in enumerate(zip(counts, lengths, strict=True)):
        for term, n in count.items():
            found[term].append((place, n * idf[term] ** 2 / length))
    index = {
        term: (np.array([place for place, _ in held]), np.array([weight for _, weight in held]))
        for term, held in found.items()
    }

    def rank(text: str) -> Iterator[int]:
        likeness = np.zeros(len(texts))
        for term, n in Counter(list_terms(text)).items():
            if term in index:
                places, weights = index[term]
                likeness[places] += n * weights
        return iter(np.argsort(-likeness.round(_DECIMALS), kind="stable").tolist())

    return rank


def list_terms(text: str) -> list[str]:
    """The words of a text, without differences of case; see ``_TERM``."""
    return _TERM.findall(text.casefold())
