"""Requests that are refused for their own sake: outcomes of their rows, which do not end a run."""

import pytest
from test_http_teacher import ask
from test_wire_errors import claude_error, google_error, openai_error

from conftest import many
from distilwhy.core.parsing.completion import TOO_LONG
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.teachers.wires.failure import Failure, read_failure
from endpoint import Endpoint, fails, sends

AZURE = {
    "error": {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content "
        "management policy. Please modify your prompt and retry.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
    }
}
OPENAI = openai_error(
    "Your request was rejected as a result of our safety system.",
    "invalid_request_error",
    "content_policy_violation",
)
FLAGGED = openai_error(
    "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
    "invalid_request_error",
    "invalid_prompt",
)
FILTERED = [
    (400, AZURE),
    (400, OPENAI),
    (400, FLAGGED),
    (400, claude_error("invalid_request_error", "Output blocked by content filtering policy")),
    (400, google_error(400, "INVALID_ARGUMENT", "PROHIBITED_CONTENT: blocked")),
    (403, {"error": {"code": 403, "message": 'Your input was flagged for "violence".'}}),
    (200, {"error": {"code": 403, "message": 'Your input was flagged for "violence".'}}),
    (400, {"code": "DataInspectionFailed", "message": "Input data may be inappropriate content."}),
    (400, openai_error("Content Exists Risk", "invalid_request_error", "invalid_request_error")),
]
CONTEXT = (
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 "
    "tokens. Please reduce the length of the messages."
)
LONG = [
    (400, openai_error(CONTEXT, "invalid_request_error", "context_length_exceeded")),
    (400, {"object": "error", "message": CONTEXT, "type": "BadRequestError", "code": 400}),
    (400, claude_error("invalid_request_error", "prompt is too long: 208310 tokens > 200000")),
    (
        400,
        claude_error(
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 190000 + 21333 > 204698",
        ),
    ),
    (413, claude_error("request_too_large", "Too large")),
    (413, "<html>413 Request Entity Too Large</html>"),
    (
        400,
        google_error(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1500000) exceeds the maximum number of tokens allowed (9).",
        ),
    ),
    (400, {"error": {"message": "the request exceeds the available context size", "code": 400}}),
    (422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 9"}),
    (422, {"error": "Input validation error: `inputs` must have less than 1024 tokens."}),
    (400, {"message": "Prompt contains 40000 tokens, too large for model with 32768"}),
    (400, {"message": "The decoder prompt (length 5000) is longer than the maximum model length"}),
    (400, {"message": "Input is too long for requested model."}),
    (429, openai_error("Request too large for gpt-4o on tokens per min", "tokens", "rate_limit")),
]
OF_ALL = [
    (400, openai_error("Unsupported parameter: 'max_tokens'", "invalid_request_error", None)),
    (400, {"error": {"message": "max_tokens is too large: 99. This model supports at most 9"}}),
    (403, {"error": {"message": "Your organization was flagged for a usage policy violation"}}),
    (403, {"error": {"message": "no access"}}),
    (422, {"detail": [{"loc": ["body", "stop"], "msg": "field required"}]}),
    (400, "no reason"),
]


@pytest.mark.parametrize(("status", "body"), FILTERED)
def test_a_request_that_a_filter_refuses_is_refused(endpoint: Endpoint, status, body):
    endpoint.otherwise = [sends(body, status)]
    [found] = ask(endpoint.url, "hello")
    assert (found.finish_reason, found.error) == ("content_filter", None)
    assert found.text.startswith(f"HTTP {status}: ")
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(("status", "body"), LONG)
def test_a_request_that_is_too_long_says_so(endpoint: Endpoint, status, body):
    endpoint.otherwise = [sends(body, status)]
    [found] = ask(endpoint.url, "hello")
    assert (found.finish_reason, found.error) == (TOO_LONG, None)
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(("status", "body"), OF_ALL)
def test_what_could_hold_for_every_row_is_a_failure(endpoint: Endpoint, status, body):
    endpoint.otherwise = [sends(body, status)]
    [found] = ask(endpoint.url, "hello")
    assert found.error is not None
    assert found.error.startswith(f"HTTP {status}: ")


@pytest.mark.parametrize(
    ("body", "outcome"), [(AZURE, "refused"), (LONG[0][1], "truncated")], ids=["filter", "length"]
)
def test_rows_refused_for_their_own_sake_do_not_end_the_run_and_are_not_asked_again(
    write_experiment, endpoint: Endpoint, body, outcome
):
    endpoint.plays = {f"Message {i}.": [sends(body, 400)] for i in range(60)}
    changes = {
        "methods": ["step-by-step"],
        "data.test": None,
        "teacher.gate": {"rows": 0},
        "prices": {"input": 1.0, "output": 1.0},
    }
    experiment = open_experiment(write_experiment(changes, train=many(80)), endpoint.url)
    assert annotate(experiment).failed == 0
    found = read_annotations(experiment)
    assert [found[f"a{i}"].outcome for i in range(80)] == [outcome] * 60 + ["ok"] * 20
    assert found["a0"].problem
    asked = len(endpoint.asked)
    assert annotate(experiment).answered == 0
    assert len(endpoint.asked) == asked


def test_failures_that_could_hold_for_every_row_end_the_run(write_experiment, endpoint: Endpoint):
    endpoint.otherwise = [fails(400, "no temperature")]
    path = write_experiment({"methods": ["step-by-step"]}, train=many(40))
    with pytest.raises(TeacherError, match="the last 5 calls have all failed"):
        annotate(open_experiment(path, endpoint.url))


@pytest.mark.parametrize(
    "message",
    [
        "System role not supported",
        "system role is not supported",
        "Developer instruction is not enabled for models/gemma-3-27b-it",
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "This model doesn't support system prompts.",
        "Only user and assistant roles are supported!",
    ],
)
def test_a_model_without_a_system_role_is_known_by_its_error(message: str):
    assert Failure(message).lacks_system_role


@pytest.mark.parametrize(
    "message", ["the system is not ready", "not supported", "Internal system error", CONTEXT]
)
def test_other_errors_do_not_name_the_system_role(message: str):
    assert not Failure(message).lacks_system_role


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "a"}}', "a"),
        (b'{"error": "a"}', "a"),
        (b'[{"error": {"message": "a"}}]', "a"),
        (b'{"object": "error", "message": "a"}', "a"),
        (b'{"detail": "a"}', "a"),
        (b'{"detail": [{"msg": "a"}]}', "a"),
        (b'{"error": {}}', ""),
        (b'{"error": null}', ""),
        (b"[]", ""),
        (b"[1]", ""),
        (b"{broken", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_the_reason_of_an_error_is_found_in_every_shape(body: bytes, message: str):
    assert read_failure(body).message == message


def test_rows_of_a_batch_refused_for_their_own_sake_end_no_run(batched, server):
    filtered = {"response": {"status_code": 400, "request_id": "r", "body": AZURE}, "error": None}
    server.plays = {f"Message {i}.": [filtered] for i in range(20)}
    assert annotate(batched()).failed == 0
    found = read_annotations(batched())
    assert {each.outcome for each in found.values()} == {"refused"}
    assert annotate(batched()).answered == 0


def test_a_batch_learns_that_there_is_no_system_role(batched, server):
    no_system = {"error": {"message": "System role not supported"}}
    refused = {"response": {"status_code": 400, "request_id": "r", "body": no_system}}
    server.plays = {f"Message {i}.": [refused] for i in range(20)}
    done = annotate(batched())
    assert (done.answered, done.failed) == (20, 0)
    assert len(server.batches) == 2
