"""What becomes of batches whose endpoint refuses, or cannot be reached."""

import pytest
from aiohttp import web

from batch_server import BatchServer, refused
from batching import assert_no_file_left, fail_with
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate


@pytest.mark.parametrize(
    ("code", "at", "message"),
    [
        (401, "POST /v1/files", "refuses the key (HTTP 401: no); put it in an"),
        (401, "GET /v1/batches/batch_0", "refuses the key (HTTP 401: no)"),
        (404, "POST /v1/files", "has no batch interface (HTTP 404: no); take teacher.batch out"),
        (405, "POST /v1/batches", "has no batch interface (HTTP 405: no); take teacher.batch out"),
        (413, "POST /v1/files", "refuses a batch (HTTP 413: no); correct the teacher section"),
        (500, "POST /v1/batches", "is not answering: HTTP 500: no; check that it is up"),
        (404, "GET /v1/batches/batch_0", "has no batches/batch_0 (HTTP 404: no); check that"),
        (404, "GET /v1/files/file-batch_0-output/content", "give --forget-batches to ask its"),
    ],
)
def test_a_fatal_error_says_why_and_loses_nothing(
    batched, server: BatchServer, code: int, at: str, message: str
):
    server.fault = fail_with(code, "no", at=at)
    with pytest.raises(TeacherError) as caught:
        annotate(batched())
    assert message in str(caught.value)
    server.fault = lambda method, path: None
    assert annotate(batched({"teacher.batch": False}, 25)).answered == 25
    assert not set(server.asked.values()) - {1}
    assert len(server.asked) + len(server.direct) == 25
    assert_no_file_left(server)


def test_an_endpoint_without_batches_can_be_asked_directly(batched, server):
    server.fault = lambda method, path: (
        None if "completions" in path else web.json_response({"detail": "Not Found"}, status=404)
    )
    with pytest.raises(TeacherError, match="has no batch interface"):
        annotate(batched())
    assert annotate(batched({"teacher.batch": False})).answered == 20


@pytest.mark.parametrize(
    ("code", "at"),
    [
        (429, "POST /v1/files"),
        (500, "POST /v1/batches"),
        (429, "GET /v1/batches/batch_0"),
        (503, "GET /v1/files/file-batch_0-output/content"),
        (500, "GET /v1/files/file-batch_0-error/content"),
    ],
)
def test_a_transient_error_is_tried_again(batched, server: BatchServer, code: int, at: str):
    server.fault = fail_with(code, "busy", at=at, times=2)
    server.plays = {"Message 1.": [refused(400, "no")]}
    assert annotate(batched()) == AnnotationProgress(total=20, from_ledger=0, answered=19, failed=1)
    assert len(server.batches) == 1
    assert set(server.asked.values()) == {1}


@pytest.mark.parametrize("at", ["POST /v1/files", "POST /v1/batches", "GET /v1/batches/batch_0"])
def test_a_reply_that_is_lost_creates_nothing_twice(batched, server: BatchServer, at: str):
    lost: list[str] = []

    def lose(method: str, path: str) -> bool:
        lost.append(f"{method} {path}")
        return lost[-1] == at and lost.count(at) == 1

    server.lost = lose
    assert annotate(batched()) == AnnotationProgress(total=20, from_ledger=0, answered=20)
    assert len(server.batches) == 1
    assert len([file for file in server.files.values() if file[1] == "batch"]) == 1


def test_a_batch_that_was_never_created_is_sent_anew(batched, server: BatchServer):
    """Also where nothing can be deleted."""
    server.fault = fail_with(500, "oops", at="POST /v1/batches")
    with pytest.raises(TeacherError, match="is not answering: HTTP 500: oops"):
        annotate(batched())
    [file] = server.files
    server.fault = fail_with(405, "no", at=f"DELETE /v1/files/{file}")
    assert annotate(batched()).answered == 20
    assert (server.count(f"DELETE /v1/files/{file}"), len(server.batches)) == (1, 1)


def test_a_batch_is_found_by_its_file_if_the_endpoint_drops_metadata(batched, server: BatchServer):
    server.keeps_metadata, server.page = False, 1
    lost: list[str] = []

    def lose(method: str, path: str) -> bool:
        lost.append(f"{method} {path}")
        return lost.count("POST /v1/batches") == 3 and lost[-1] == "POST /v1/batches"

    server.lost = lose
    annotate(batched(rows=5), wait=False)
    annotate(batched(rows=8), wait=False)
    assert annotate(batched(rows=12)).answered == 12
    assert len(server.batches) == 3


def test_an_outage_while_waiting_is_reported_and_survived(batched, server: BatchServer):
    seen: list[AnnotationProgress] = []
    server.fault = fail_with(502, "bad gateway", at="GET /v1/batches/batch_0", times=5)
    assert annotate(batched(), watch=seen.append).answered == 20
    assert sum(p.trouble == "HTTP 502: bad gateway" for p in seen) == 5


def test_a_long_outage_ends_the_run_and_loses_nothing(batched, server, monkeypatch):
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.batch.LONGEST_OUTAGE_S", 0.05)
    server.fault = fail_with(502, "bad gateway", at="GET /v1/batches/batch_0", times=10**6)
    with pytest.raises(TeacherError, match="is not answering: HTTP 502: bad gateway"):
        annotate(batched())
    server.fault = lambda method, path: None
    assert annotate(batched()).answered == 20
    assert len(server.batches) == 1
