"""``structured: auto``: the first call shows whether the endpoint can be held to a JSON schema."""

import json
import shutil
from functools import partial

import pytest
from aiohttp import web

from batch_server import BatchServer
from batching import PRICES
from commands import print_plan
from distilwhy.demo.scripted import ScriptedTeacher
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.budget import read_spending
from distilwhy.pipeline.annotate.form import ReplyForm, remember_form
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate, run_pilot
from distilwhy.pipeline.experiment import Experiment, open_experiment
from endpoint import Endpoint, Reply, fails, says, sends

AUTO = {"teacher.structured": "auto"}
AS_JSON = '{"rationale": "It broke.", "answer": "damage"}'
USAGE = {"prompt_tokens": 10, "completion_tokens": 5}


@pytest.fixture
def opened(opened):
    """Opens an experiment with 12 rows whose teacher section leaves ``structured`` at ``auto``."""
    return partial(opened, AUTO)


def takes_schemas(text: str = AS_JSON) -> Reply:
    return says(text, usage=USAGE)


def without_schema(reply: Reply, refusal: Reply) -> Reply:
    """Refuses requests for a schema, and answers all others."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        wanted = body.get("response_format") or body.get("output_config")
        wanted = wanted or body.get("generationConfig", {}).get("responseJsonSchema")
        return await (refusal if wanted else reply)(request)

    return answer


def forms(endpoint: Endpoint) -> list[bool]:
    """Whether each request asked for a schema, in order."""
    return ["response_format" in body for body in endpoint.asked]


def notices(experiment: Experiment) -> list[str]:
    """What the user is told while annotating."""
    told: list[AnnotationProgress] = []
    annotate(experiment, watch=told.append)
    return list(dict.fromkeys(progress.notice for progress in told if progress.notice))


def labels(experiment: Experiment) -> set[str | None]:
    return {found.label for found in read_annotations(experiment).values()}


def test_an_endpoint_that_follows_a_schema_is_held_to_it(opened, endpoint: Endpoint):
    endpoint.otherwise = [takes_schemas()]
    assert "JSON that follows a schema; plain text if the first call" in print_plan(opened())
    assert notices(opened()) == ["replies: JSON that follows a schema; the endpoint supports it"]
    assert forms(endpoint) == [True] * 12
    assert labels(opened()) == {"damage"}
    assert "\nreplies     JSON that follows a schema; the endpoint supports it\n" in print_plan(
        opened()
    )
    assert annotate(opened()).from_ledger == 12


REFUSALS = [
    fails(400, "'response_format' of type 'json_schema' is not supported with this model"),
    fails(404, "No endpoints found that can handle the requested response_format"),
    fails(422, "json_schema: unsupported"),
    fails(500, "grammar compilation failed"),
    sends({"detail": [{"loc": ["body", "response_format"], "msg": "Extra inputs"}]}, 422),
    sends("structured outputs are not enabled", 400),
    sends({"error": {"message": "invalid request", "param": "response_format", "code": 400}}),
]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_an_endpoint_that_refuses_a_schema_is_asked_for_text_once_and_for_all(
    opened, endpoint: Endpoint, refusal
):
    endpoint.otherwise = [without_schema(says(usage=USAGE), refusal)]
    [told] = notices(opened({"prices": PRICES}))
    assert told.startswith("replies: plain text; the endpoint does not support a JSON schema (HTTP")
    assert forms(endpoint) == [True] + [False] * 12
    assert {found.outcome for found in read_annotations(opened()).values()} == {"ok"}
    assert "plain text; the endpoint does not support a JSON schema" in print_plan(opened())
    spent = read_spending(opened({"prices": PRICES}))
    assert spent is not None
    assert spent.possible == 0
    more = [{"id": f"b{i}", "message": f"More {i}.", "kind": "damage"} for i in range(3)]
    assert annotate(opened(train=more)).failed == 0
    assert forms(endpoint)[13:] == [False] * 3


@pytest.mark.parametrize("kind", ["anthropic", "gemini"])
def test_other_kinds_of_endpoints_are_tried_too(opened, endpoint: Endpoint, kind):
    refusal = fails(400, 'Unknown name "responseJsonSchema" or output_config: not permitted')
    endpoint.otherwise = [without_schema(says(), refusal)]
    experiment = opened({"teacher.kind": kind})
    assert annotate(experiment).answered == 12
    assert len(endpoint.asked) == 13
    assert labels(experiment) == {"damage"}


@pytest.mark.parametrize(
    "text", ["Why. So the answer is damage.", "I cannot tell.", "{damage} is the answer: damage"]
)
def test_a_reply_that_ignores_the_schema_is_kept_as_an_answer_in_text(
    opened, endpoint: Endpoint, text
):
    endpoint.otherwise = [says(text)]
    if text.startswith("{"):
        endpoint.otherwise = [says("So: " + text)]
    [told] = notices(opened())
    assert told == (
        "replies: plain text; the first reply did not follow the JSON schema that was asked for"
    )
    assert forms(endpoint) == [True] + [False] * 11
    assert sorted(endpoint.questions) == sorted(set(endpoint.questions))
    assert annotate(opened()).from_ledger == 12
    assert annotate(opened({"teacher.structured": False})).from_ledger == 12


def test_a_json_reply_may_follow_thinking_or_be_cut_short(opened, endpoint: Endpoint):
    for text in ("<think>Hm.</think>\n```json\n" + AS_JSON + "\n```", AS_JSON[:20], "  " + AS_JSON):
        endpoint.otherwise = [says(text)]
        experiment = opened()
        annotate(experiment, limit=1)
        assert "the endpoint supports it" in print_plan(experiment)
        shutil.rmtree(experiment.folder.path)


@pytest.mark.parametrize("structured", [False, True])
def test_a_run_that_has_begun_goes_on_in_its_form(opened, endpoint: Endpoint, structured):
    endpoint.otherwise = [takes_schemas()]
    annotate(opened({"teacher.structured": structured}), limit=5)
    assert annotate(opened()) == AnnotationProgress(total=12, from_ledger=5, answered=7)
    assert forms(endpoint) == [structured] * 12
    assert "as the answers so far" in print_plan(opened())


def test_a_run_that_has_begun_is_known_by_any_of_its_rows(opened, endpoint: Endpoint):
    rows = [{"id": f"a{i}", "message": f"M {i}.", "kind": "damage"} for i in range(700)]
    plain = {"teacher.structured": False, "teacher.gate": {"rows": 0}, "data.test": None}
    annotate(opened(plain, train=rows[690:]))
    asked = len(endpoint.asked)
    assert annotate(opened({**plain, "teacher.structured": "auto"}, train=rows)).answered == 690
    assert forms(endpoint)[asked:] == [False] * 690


def test_explicit_settings_are_not_tried(opened, endpoint: Endpoint):
    assert "replies" not in print_plan(opened({"teacher.structured": False}))
    annotate(opened({"teacher.structured": False}))
    annotate(opened({"teacher.kind": "completion"}))
    annotate(opened({"teacher.extra": {"response_format": {"type": "text"}}}))
    schemas = [body for body in endpoint.asked if "json_schema" in json.dumps(body)]
    assert schemas == []


def test_a_failed_first_call_is_made_again_in_text_and_is_tried_next_time(
    opened, endpoint: Endpoint
):
    endpoint.otherwise = [fails(400, "no reason")]
    with pytest.raises(TeacherError, match="the last 5 calls have all failed"):
        annotate(opened({"teacher.concurrency": 1}))
    assert forms(endpoint) == [True] + [False] * 5
    endpoint.otherwise = [takes_schemas()]
    assert annotate(opened()).answered == 12
    assert forms(endpoint)[6:] == [True] * 12


def test_a_broken_note_of_the_form_is_found_anew(opened, endpoint: Endpoint):
    endpoint.otherwise = [takes_schemas()]
    annotate(opened(), limit=3)
    for content in ("{", "[]", '{"chat m": 1}'):
        opened().folder.form.write_text(content)
        assert "as the answers so far" in print_plan(opened())
    assert annotate(opened()).from_ledger == 3


def test_the_limit_counts_the_first_call(opened, endpoint: Endpoint):
    assert annotate(opened(), limit=1).answered == 1
    assert annotate(opened(), limit=1).answered == 1
    assert forms(endpoint) == [True, False]


def test_a_pilot_settles_the_form(opened, endpoint: Endpoint):
    endpoint.otherwise = [without_schema(says(), REFUSALS[0])]
    assert run_pilot(opened(), 4).answered == 4
    assert forms(endpoint) == [True] + [False] * 4


def test_every_sample_is_in_the_form_of_the_first(opened, endpoint: Endpoint):
    settings = {"teacher.samples": 3, "teacher.temperature": 0.7}
    assert annotate(opened(settings)).answered == 36
    assert forms(endpoint) == [True] + [False] * 35


def test_a_batch_without_a_gate_is_in_text(batched, server: BatchServer):
    assert annotate(batched(AUTO)).answered == 20
    assert not any(b"response_format" in content for _, _, content in server.files.values())
    assert "as the answers so far" in print_plan(batched(AUTO))


def test_a_batch_takes_the_form_that_is_known_of_its_endpoint(batched, server: BatchServer):
    experiment = batched(AUTO)
    experiment.write_resolved()
    remember_form(experiment, ReplyForm(True, "the endpoint supports it"))
    assert annotate(batched(AUTO)).answered == 20
    assert any(b"response_format" in content for _, _, content in server.files.values())


def test_the_scripted_teacher_ignores_the_schema_and_is_understood(opened):
    with ScriptedTeacher() as teacher:
        experiment = opened({"teacher.base_url": teacher.base_url})
        annotate(experiment)
        assert "the first reply did not follow" in print_plan(experiment)
        assert annotate(open_experiment(experiment.file)).from_ledger == 12
