"""Generation in batches: tiny random models that write noise, reproducibly."""

import logging
from dataclasses import replace
from typing import Any

import pytest
import torch

from distilwhy.errors import TeacherError
from distilwhy.teachers.local.generate import Continuation, EncodedPrompt
from local_models import (
    CACHES_PREFIXES,
    SHAPES,
    TOKENS,
    encoded_prompts,
    make_generator,
    make_model,
)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_prompt_is_continued_alike_alone_and_in_a_batch(kind, temperature):
    model, asked = make_model(kind), encoded_prompts()
    generator = make_generator(model=model, temperature=temperature)
    together = generator.generate(asked)
    assert generator.prefix.is_used == (kind in CACHES_PREFIXES)
    for prompt, found in zip(asked, together, strict=True):
        alone = make_generator(model=model, temperature=temperature)
        assert alone.generate([prompt]) == [found]
        assert not alone.prefix.open([prompt.ids])[0]
    assert len({found.text for found in together}) == len(asked)
    assert {(found.tokens, found.ended) for found in together} == {(TOKENS, False)}


def test_the_cached_prefix_follows_the_prompts():
    model, generator = make_model(), make_generator()
    first, second = encoded_prompts(), encoded_prompts((5, 8, 2), head=60)
    shorter = [EncodedPrompt(one.ids[:20] + second[0].ids, one.seed) for one in first]
    for asked in (first, second, shorter, first[:1], first, encoded_prompts((30, 30), head=0)):
        plain = make_generator(model=model)
        plain.prefix.is_used = False
        assert generator.generate(asked) == plain.generate(asked)
    assert generator.prefix.open([one.ids for one in first])[0] == 40
    assert generator.prefix.open([one.ids for one in encoded_prompts((30, 30), head=0)])[0] == 0


def test_samples_differ_by_their_seed_and_are_reproducible():
    generator, asked = make_generator(temperature=1.0), encoded_prompts()
    others = [replace(one, seed=one.seed + 100) for one in asked]
    again = generator.generate(asked)
    assert generator.generate(asked) == again
    assert all(a.text != b.text for a, b in zip(again, generator.generate(others), strict=True))


def test_tokens_are_sampled_by_the_models_probabilities():
    """Of 2,000 draws of one token, each as often as softmax(logits / T) says."""
    model, ids = make_model(), encoded_prompts((4,))[0].ids
    generator = make_generator(model=model, temperature=2.0, max_tokens=1)
    found = [
        one.text for one in generator.generate([EncodedPrompt(ids, seed) for seed in range(2000)])
    ]
    with torch.no_grad():
        chances = (model(torch.tensor([ids])).logits[0, -1] / 2.0).softmax(dim=-1)
    for token in chances.topk(3).indices.tolist():
        share = found.count(f"w{token}") / 2000
        assert share == pytest.approx(chances[token].item(), abs=0.04)


def test_a_reply_ends_before_a_stop_text():
    asked = encoded_prompts()
    whole = make_generator().generate(asked)
    words = whole[2].text.split()
    mark = f"{words[4]} {words[5]}"
    found = make_generator(stop=[mark, ""]).generate(asked)
    assert found[2] == Continuation(" ".join(words[:4]) + " ", 6, ended=True)
    others = [i for i, one in enumerate(whole) if mark not in one.text]
    assert len(others) >= 3
    assert [found[i] for i in others] == [whole[i] for i in others]


def test_a_reply_ends_at_the_models_end_token():
    asked = encoded_prompts()
    whole = make_generator().generate(asked)
    words = whole[0].text.split()
    model = make_model()
    model.generation_config.eos_token_id = [int(words[3][1:]), 0]
    found = make_generator(model=model).generate(asked)
    assert (found[0].tokens, found[0].ended) == (words.index(words[3]) + 1, True)
    assert found[0].text.split() == words[: found[0].tokens]


def test_batches_get_smaller_when_memory_runs_out(monkeypatch, caplog):
    model, asked = make_model(), encoded_prompts()
    generator = make_generator(model=model, batch_size=5)
    whole = make_generator().generate(asked)
    generate = model.generate
    sizes: list[int] = []

    def short(input_ids: torch.Tensor, **given: Any) -> Any:
        sizes.append(len(input_ids))
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return generate(input_ids=input_ids, **given)

    monkeypatch.setattr(model, "generate", short)
    with caplog.at_level(logging.WARNING):
        assert generator.generate(asked) == whole
        assert generator.generate(asked[:2]) == whole[:2]
    assert (sizes, generator.batch_size) == ([5, 3, 2, 1, 2, 2], 2)
    assert [record.getMessage() for record in caplog.records] == [
        "out of memory: teacher 'noise' goes on with 3 prompts at a time",
        "out of memory: teacher 'noise' goes on with 2 prompts at a time",
    ]


def test_no_memory_for_one_prompt_is_an_error(monkeypatch):
    def none(**given: Any) -> Any:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes")

    model = make_model()
    generator = make_generator(model=model)
    monkeypatch.setattr(model, "generate", none)
    with pytest.raises(TeacherError) as caught:
        generator.generate(encoded_prompts())
    assert str(caught.value) == (
        "there is no memory for one prompt of 49 tokens; take a smaller teacher.model, or lower "
        "teacher.max_tokens"
    )
