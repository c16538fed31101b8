"""Samples that come back the same, as from an endpoint that ignores the temperature."""

import itertools

import pytest
from aiohttp import web

from commands import call
from endpoint import Endpoint, says

SAMPLED = {"teacher.samples": 3, "teacher.temperature": 0.8}
SAME = "All samples of a row are the same text in 12 of 12 rows"


def differing():
    """Answers each request in other words."""
    numbers = itertools.count()

    async def reply(request: web.Request) -> web.StreamResponse:
        return await says(f"Why {next(numbers)}. So the answer is damage.")(request)

    return reply


def shown(command: str, experiment) -> str:
    return " ".join(call(command, experiment.file).output.split())


@pytest.mark.parametrize("command", ["annotate", "annotations", "status"])
def test_samples_that_are_all_the_same_are_pointed_out_once(opened, endpoint: Endpoint, command):
    experiment = opened(SAMPLED)
    call("annotate", experiment.file)
    assert shown(command, experiment).count(SAME) == 1
    assert "may ignore teacher.temperature" in shown(command, experiment)


def test_samples_that_differ_are_not(opened, endpoint: Endpoint):
    endpoint.otherwise = [differing()]
    experiment = opened(SAMPLED)
    assert "same text" not in shown("annotate", experiment)


@pytest.mark.parametrize(
    ("settings", "reply"), [({}, "Why. So the answer is damage."), (SAMPLED, "damage")]
)
def test_nor_is_one_sample_or_are_labels_without_reasons(
    opened, endpoint: Endpoint, settings, reply
):
    endpoint.otherwise = [says(reply)]
    assert "same text" not in shown("annotate", opened(settings))
