"""Exemplars are chosen by the row's text and the pool alone."""

import time
import weakref
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from distilwhy.core.exemplars import draw_exemplars
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.prompt_builder import PREFIXES_KEPT, PromptBuilder
from distilwhy.core.task import Example, Exemplar, RowFormat, Task

POOL = [
    "Where do I pay my parking fine?",
    "The swing in the park is broken.",
    "My parking permit has run out.",
    "The roses in the park smell sweet.",
    "Can I pay for a permit by card?",
]
ROWS = [f"Message {number} about the {what}." for number in range(200) for what in ("swing", "sea")]


def test_fixed_shows_all_in_order():
    assert draw_exemplars(POOL, "fixed", 2)("The swing is broken.") == (0, 1, 2, 3, 4)


def test_the_nearest_comes_last():
    choose = draw_exemplars(POOL, "nearest", 2)
    assert choose("A swing is broken!")[-1] == 1
    assert choose("How do I pay a fine for parking?") == (4, 0)
    assert choose("SMELL THE ROSES")[-1] == 3


def test_the_nearest_are_those_of_tf_idf_cosine():
    """Beside TF-IDF vectors over the words of the pool, written out."""
    rng = Random(0)
    words = [f"w{number}" for number in range(30)]
    texts = [" ".join(rng.choices(words, k=rng.randint(3, 12))) for _ in range(40)]
    rows = [" ".join(rng.choices([*words, "unseen"], k=8)) for _ in range(50)]
    choose = draw_exemplars(texts, "nearest", 4)
    counts = np.array([[text.split().count(word) for word in words] for text in texts])
    idf = np.log(41 / (1 + (counts > 0).sum(axis=0)))
    vectors = counts * idf
    for row in rows:
        vector = np.array([row.split().count(word) for word in words]) * idf
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(vector)
        cosines = (vectors @ vector / lengths).round(9)
        expected = sorted(range(40), key=lambda place: (-cosines[place], place))[:4]
        assert choose(row) == tuple(reversed(expected))


def test_words_in_all_exemplars_do_not_count():
    pool = [f"Question for the parks department: {text}" for text in ("one two", "three four")]
    assert draw_exemplars(pool, "nearest", 1)("Question for the parks department: three") == (1,)


def test_scripts_without_spaces_are_compared_by_character():
    pool = ["公園のぶらんこが壊れた", "駐車券はどこで買えますか", "バラがきれいです"]
    assert draw_exemplars(pool, "nearest", 1)("駐車券を無くした") == (1,)


@pytest.mark.parametrize("draw", ["random", "nearest"])
def test_the_row_itself_is_never_shown(draw):
    choose = draw_exemplars(POOL, draw, 5)
    for place, text in enumerate(POOL):
        assert sorted(choose(text)) == [other for other in range(5) if other != place]
        assert place not in choose(f"  {text.upper()}\n")


def test_random_draws_are_even_and_differ_by_row():
    choose = draw_exemplars(POOL, "random", 2)
    drawn = [choose(row) for row in ROWS]
    assert all(len(set(places)) == 2 for places in drawn)
    assert len(set(drawn)) == 20
    shown = Counter(place for places in drawn for place in places)
    assert all(120 <= shown[place] <= 200 for place in range(5))
    last = Counter(places[-1] for places in drawn)
    assert all(55 <= last[place] <= 105 for place in range(5))


def test_a_random_draw_is_the_same_on_every_machine():
    choose = draw_exemplars(POOL, "random", 3)
    drawn = [choose(f"Message {number}.") for number in range(4)]
    assert drawn == [(3, 2, 1), (3, 4, 0), (2, 1, 0), (4, 3, 2)]


def test_a_new_exemplar_changes_only_the_random_draws_that_include_it():
    before, after = (draw_exemplars(pool, "random", 2) for pool in (POOL, [*POOL, "Hello there."]))
    changed = [row for row in ROWS if before(row) != after(row)]
    assert 0.2 < len(changed) / len(ROWS) < 0.5
    assert all(5 in after(row) for row in changed)


def test_a_random_draw_does_not_depend_on_the_order_of_the_pool():
    mixed = [POOL[place] for place in (3, 0, 4, 2, 1)]
    one, other = (draw_exemplars(pool, "random", 3) for pool in (POOL, mixed))
    for row in ROWS[:9]:
        assert [POOL[place] for place in one(row)] == [mixed[place] for place in other(row)]


def test_a_small_pool_is_shown_whole():
    assert sorted(draw_exemplars(POOL, "nearest", 9)("Hello.")) == [0, 1, 2, 3, 4]
    assert draw_exemplars([], "random", 2)("Hello.") == ()


def pooled(size: int) -> Task:
    rng = Random(1)
    words = [f"word{number}" for number in range(400)]
    exemplars = tuple(
        Exemplar(Example(f"e{number}", " ".join(rng.choices(words, k=30)), gold="yes"), "So it is.")
        for number in range(size)
    )
    return Task("Say.", RowFormat("{{ q }}"), Answer("choice", ("yes", "no")), exemplars)


@pytest.mark.parametrize("draw", ["random", "nearest"])
def test_drawing_is_fast_and_caches_few_prefixes(draw):
    prompter, rng = PromptBuilder(pooled(500), "few-shot", draw, 8), Random(2)
    texts = [" ".join(f"word{rng.randrange(400)}" for _ in range(30)) for _ in range(2000)]
    rows = [Example(str(number), text) for number, text in enumerate(texts)]
    digests, prefixes = [], []
    started = time.process_time()
    for row in rows:
        prefix = prompter.prompt(row).prefix
        digests.append(prefix.digest)
        prefixes.append(weakref.ref(prefix))
        assert prefix.size > 0
    assert (time.process_time() - started) / len(rows) < 0.002
    assert len(set(digests)) > 1900
    assert sum(kept() is not None for kept in prefixes) <= PREFIXES_KEPT + 1
    assert prompter.prompt(replace(rows[0], id="another id")).prefix.digest == digests[0]
