"""Several servers of one model: the work is shared, and a dead one costs no call."""

import pytest

from distilwhy.errors import ConfigError, TeacherError
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment
from endpoint import Endpoint, fails, stalls

DEAD = "http://127.0.0.1:9/v1"


@pytest.fixture
def opened(write_experiment):
    """Opens an experiment of forty rows whose teacher is at some addresses."""
    rows = [{"id": f"a{i}", "message": f"Message {i}.", "kind": "damage"} for i in range(40)]

    def opens(first: str, *others: str, **changes: object) -> Experiment:
        teacher = {"base_url": first, "replicas": list(others), **changes}
        settings = {f"teacher.{name}": value for name, value in teacher.items()}
        settings |= {"methods": ["step-by-step"], "data.test": None}
        return open_experiment(write_experiment(settings, train=rows))

    return opens


def test_the_server_with_the_fewest_calls_is_asked_next(opened, endpoint: Endpoint):
    with Endpoint() as slow:
        slow.otherwise = [stalls(0.05)]
        endpoint.otherwise = [stalls(0.01)]
        assert annotate(opened(endpoint.url, slow.url)).answered == 40
        assert 4 <= len(slow.asked) < len(endpoint.asked)
        assert len(slow.asked) + len(endpoint.asked) == 40


def test_sequential_calls_go_to_the_servers_in_turn(opened, endpoint: Endpoint):
    with Endpoint() as other:
        annotate(opened(endpoint.url, other.url, concurrency=1))
        assert len(other.asked) == len(endpoint.asked) == 20


def test_a_call_has_the_same_key_on_every_server(opened, endpoint: Endpoint):
    with Endpoint() as other:
        annotate(opened(endpoint.url, other.url))
        assert annotate(opened(other.url)) == AnnotationProgress(total=40, from_ledger=40)


def test_an_unreachable_server_is_avoided(opened, endpoint: Endpoint):
    assert annotate(opened(DEAD, endpoint.url, retries=1)) == AnnotationProgress(40, 0, answered=40)
    assert len(endpoint.asked) == 40


@pytest.mark.parametrize("status", [500, 502])
def test_a_server_that_fails_at_once_does_not_attract_all_calls(opened, endpoint: Endpoint, status):
    endpoint.otherwise = [stalls(0.05)]
    with Endpoint() as broken:
        broken.otherwise = [fails(status)]
        assert annotate(opened(endpoint.url, broken.url)) == AnnotationProgress(40, 0, answered=40)
        assert len(broken.asked) < 10


@pytest.mark.usefixtures("endpoint")
def test_the_run_ends_if_no_server_can_be_reached(opened):
    with pytest.raises(TeacherError, match=r"http://127.0.0.1:9/v1 \(and 1 more\) is not answer"):
        annotate(opened(DEAD, "http://127.0.0.1:10/v1", retries=1))


def test_base_url_on_opening_replaces_all_servers(opened, endpoint: Endpoint):
    experiment = opened(DEAD, "http://127.0.0.1:10/v1")
    assert annotate(open_experiment(experiment.file, endpoint.url)).answered == 40


@pytest.mark.parametrize(
    ("replicas", "message"),
    [
        ([DEAD + "/"], "repeats base_url; list only the other addresses"),
        (["localhost:8000"], "must start with http:// or https://"),
        (["http://me:secret@there/v1"], "must not contain a key or a password"),
        (["http://a..b/v1"], "is not an address; write it like http://localhost:8000/v1"),
        (["http://[::1/v1"], "is not an address; write it like http://localhost:8000/v1"),
        (["http://a:99999/v1"], "is not an address; write it like http://localhost:8000/v1"),
        (["http://a/v1", "http://a/v1"], "'http://a/v1' is listed twice; list each once"),
    ],
)
def test_invalid_replicas_are_refused(opened, replicas: list[str], message: str):
    with pytest.raises(ConfigError, match=r"teacher\.replicas: ") as caught:
        opened(DEAD, *replicas)
    assert message in str(caught.value)
