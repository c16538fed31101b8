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


def test_the_work_is_shared_by_what_each_has_to_do(opened, endpoint: Endpoint):
    with Endpoint() as slow:
        slow.otherwise = [stalls(0.05)]
        endpoint.otherwise = [stalls(0.01)]
        assert annotate(opened(endpoint.url, slow.url)).answered == 40
        assert 4 <= len(slow.asked) < len(endpoint.asked)
        assert len(slow.asked) + len(endpoint.asked) == 40


def test_one_call_after_the_other_goes_to_each_in_turn(opened, endpoint: Endpoint):
    with Endpoint() as other:
        annotate(opened(endpoint.url, other.url, concurrency=1))
        assert len(other.asked) == len(endpoint.asked) == 20


def test_answers_have_the_same_key_whoever_gave_them(opened, endpoint: Endpoint):
    with Endpoint() as other:
        annotate(opened(endpoint.url, other.url))
        assert annotate(opened(other.url)) == AnnotationProgress(total=40, from_ledger=40)


def test_a_dead_one_is_left_alone(opened, endpoint: Endpoint):
    assert annotate(opened(DEAD, endpoint.url, retries=1)) == AnnotationProgress(40, 0, answered=40)
    assert len(endpoint.asked) == 40


@pytest.mark.parametrize("status", [500, 502])
def test_one_that_fails_at_once_does_not_draw_all_calls(opened, endpoint: Endpoint, status):
    endpoint.otherwise = [stalls(0.05)]
    with Endpoint() as broken:
        broken.otherwise = [fails(status)]
        assert annotate(opened(endpoint.url, broken.url)) == AnnotationProgress(40, 0, answered=40)
        assert len(broken.asked) < 10


@pytest.mark.usefixtures("endpoint")
def test_where_all_are_dead_it_ends(opened):
    with pytest.raises(TeacherError, match=r"http://127.0.0.1:9/v1 \(and 1 more\) is not answer"):
        annotate(opened(DEAD, "http://127.0.0.1:10/v1", retries=1))


def test_another_address_takes_the_place_of_all(opened, endpoint: Endpoint):
    experiment = opened(DEAD, "http://127.0.0.1:10/v1")
    assert annotate(open_experiment(experiment.file, endpoint.url)).answered == 40


@pytest.mark.parametrize(
    ("replicas", "message"),
    [
        ([DEAD + "/"], "repeats base_url; list only the other addresses"),
        (["localhost:8000"], "must start with http:// or https://"),
        (["http://me:secret@there/v1"], "must not contain a user name or password"),
        (["http://a..b/v1"], "is not an address; write it like http://localhost:8000/v1"),
        (["http://[::1/v1"], "is not an address; write it like http://localhost:8000/v1"),
        (["http://a:99999/v1"], "is not an address; write it like http://localhost:8000/v1"),
        (["http://a/v1", "http://a/v1"], "'http://a/v1' is listed twice; list each once"),
    ],
)
def test_addresses_that_are_none_are_refused(opened, replicas: list[str], message: str):
    with pytest.raises(ConfigError, match=r"teacher\.replicas: ") as caught:
        opened(DEAD, *replicas)
    assert message in str(caught.value)
