"""The application: routes, limits and errors."""

import asyncio
import copy
import math
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as StarletteError

from distilwhy._version import __version__
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example, Row
from distilwhy.errors import DataError, StudentError, first_line
from distilwhy.serving import chat
from distilwhy.serving.batching import MicroBatcher, QueueFullError
from distilwhy.serving.kept_requests import KeptRequests
from distilwhy.serving.metrics import Metrics
from distilwhy.serving.middleware import BodyLimit, RequestMetrics
from distilwhy.serving.rows import (
    Answered,
    PredictResponse,
    RowReader,
    build_request_model,
    describe,
    list_fields,
)
from distilwhy.serving.settings import ServerSettings
from distilwhy.serving.teacher import CascadeTeacher, open_teacher
from distilwhy.students.student import Student

MODEL = "distilwhy-student"
_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class AppFactory:
    """Makes the application in each server process.

    Attributes:
        student: The student's folder.
        shared: Whether the processes share their metrics.
    """

    student: Path
    settings: ServerSettings
    shared: bool = False

    def __call__(self) -> FastAPI:
        """Load the student, and build the application around it."""
        return create_app(Student.load(self.student), self.settings, shared=self.shared)


@dataclass(frozen=True)
class Service:
    """What the routes answer with."""

    student: Student
    settings: ServerSettings
    batcher: MicroBatcher
    metrics: Metrics
    kept: KeptRequests | None
    teacher: CascadeTeacher | None

    async def ask(
        self, examples: Sequence[Example], *, explain: bool, rows: Sequence[Row] = ()
    ) -> list[Answered]:
        """The answers to some rows, which are counted and, if wanted, kept with their ``rows``."""
        until = time.monotonic() + self.settings.timeout
        found = await self.batcher.ask(examples, explain)
        answered = [Answered(own, "student") for own in found]
        if self.settings.cascade:
            pairs = zip(examples, found, strict=True)
            answered = await asyncio.gather(*(self._hand_over(*pair, until) for pair in pairs))
        for own, one in zip(found, answered, strict=True):
            self.metrics.count(own, one.source)
        if self.kept:
            self.kept.add(rows, examples, found, [one.source for one in answered])
        return answered

    async def _hand_over(self, example: Example, own: Prediction, until: float) -> Answered:
        """The student's answer if it can stand alone, or else the teacher's, if it has one."""
        if own.alone is not False:
            return Answered(own, "student")
        found = await self.teacher.ask(example, until) if self.teacher else None
        if found is None or found.label is None:
            return Answered(own, "refer")
        label, rationale = found.label, found.rationale
        return Answered(Prediction(own.example_id, label, label, rationale), "teacher")


def create_app(student: Student, settings: ServerSettings, *, shared: bool = False) -> FastAPI:
    """An application that answers with a student.

    Args:
        shared: Whether several processes share their metrics.

    Raises:
        StudentError: if the student needs the teacher at inference, or is asked for a cascade
            that it does not have.
        ConfigError: if the teacher cannot be asked; see ``open_teacher``.
        RunError: if another process uses the teacher's run folder.
    """
    _check(student, settings)
    # A request that could never find room would be told to try again for ever.
    settings = replace(settings, max_rows=min(settings.max_rows, settings.max_waiting))
    task, deployed = student.spec.task, student.deployment
    metrics = Metrics(task.answer.labels, deployed.profile if deployed else None, shared=shared)
    kept = KeptRequests.open(settings, task.row_format)
    batcher = MicroBatcher(
        lambda examples, explain: student.predict(examples, explain=explain),
        settings,
        metrics.observe_batch,
    )
    teacher = open_teacher(student.spec.task, settings)
    service = Service(student, settings, batcher, metrics, kept, teacher)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        await batcher.stop()
        if teacher:
            await teacher.stop()
        if kept:
            kept.close()

    app = FastAPI(
        title="A distilwhy student",
        version=__version__,
        description="Labels rows, gives a confidence with each label, and can say why.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(BodyLimit, most=settings.max_bytes)
    app.add_middleware(RequestMetrics, metrics=metrics)
    _add_errors(app)
    key = [Depends(_require_key(settings.api_key))] if settings.api_key else []
    guarded = APIRouter(dependencies=key)
    _add_about(guarded, service)
    app.include_router(guarded)
    asked = APIRouter(dependencies=key, route_class=_refuse_early(batcher))
    _add_predict(asked, service)
    _add_chat(asked, service)
    app.include_router(asked)
    _add_open(app, service)
    return app


def _check(student: Student, settings: ServerSettings) -> None:
    if student.spec.method.asks_teacher:
        raise StudentError(
            f"this student was trained by {student.spec.method.name!r}: it needs the teacher's "
            "rationale with every row, so it cannot be served alone"
        )
    cascade = student.deployment.cascade if student.deployment else None
    if settings.cascade and (cascade is None or cascade.threshold is None):
        why = cascade.reason if cascade else "it was not evaluated with 'deploy.target' set"
        raise StudentError(f"--cascade: this student has no cascade: {why}")


def _refuse_early(batcher: MicroBatcher) -> type[APIRoute]:
    """A route that refuses a request before its body is read, which is cheap, if too many wait."""

    class AskedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def check_first(request: Request) -> Response:
                batcher.require_room()
                return await handle(request)

            return check_first

    return AskedRoute


def _add_predict(router: APIRouter, service: Service) -> None:
    model: Any = build_request_model(service.student, service.settings.max_rows)
    reader = RowReader(service.student)

    @router.post("/predict", responses=_ERRORS)
    async def predict(body: model) -> PredictResponse:
        """Label one row or many."""
        if (body.row is None) == (body.rows is None):
            raise HTTPException(422, "give 'row' or 'rows', one of them")
        if body.explain:
            _require_reasons(service.student)
        rows = [row.model_dump(by_alias=True) for row in (body.rows or [body.row])]
        found = await service.ask(reader.read(rows), explain=body.explain, rows=rows)
        return PredictResponse(predictions=[describe(one, explain=body.explain) for one in found])


def _require_reasons(student: Student) -> None:
    if not student.can_explain:
        raise HTTPException(
            422, "explain: this student writes no rationales; serve one trained by step-by-step"
        )


def _add_chat(router: APIRouter, service: Service) -> None:
    student, task = service.student, service.student.spec.task
    # A copy, because the student's own may be in use by its thread.
    encoder = copy.deepcopy(student.network.text_encoder)

    @router.get("/v1/models")
    async def models() -> dict[str, Any]:
        """The student, as OpenAI lists models."""
        one = {"id": MODEL, "object": "model", "created": 0, "owned_by": "distilwhy"}
        return {"object": "list", "data": [one]}

    kinds: dict[int | str, dict[str, Any]] = {
        200: {"content": {"application/json": {}, "text/event-stream": {}}}
    }

    @router.post("/v1/chat/completions", responses={**_ERRORS, **kinds}, response_model=None)
    async def complete(body: chat.ChatRequest) -> Response:
        """Answer the last turn of a chat, as the LLM would that the student learned from."""
        example, schema = chat.read_example(body, task), chat.read_schema(body)
        explain = student.can_explain and chat.wants_reasons(schema)
        (answered,) = await service.ask([example], explain=explain)
        found, refusal = answered.prediction, None
        text = chat.write_reply(found, example, task, schema)
        if answered.source == "refer":
            text = ""
            refusal = f"referred: confidence {found.confidence:.2f} is below the threshold"
        reply = chat.ChatReply(
            text or None,
            refusal,
            body.model or MODEL,
            len(encoder.ids(example.text)),
            len(encoder.ids(text)),
            body.n,
        )
        if body.stream:
            usage = bool((body.stream_options or {}).get("include_usage"))
            events = chat.render_stream(reply, with_usage=usage)
            return StreamingResponse(events, media_type="text/event-stream")
        return JSONResponse(chat.render_completion(reply))


def _add_about(router: APIRouter, service: Service) -> None:
    student, task = service.student, service.student.spec.task

    @router.get("/about")
    async def about() -> dict[str, Any]:
        """What the student expects and can do."""
        return {
            "fields": list_fields(student),
            "options": task.row_format.options,
            "labels": list(task.answer.labels),
            "can_explain": student.can_explain,
            "cascade": service.settings.cascade,
            "asks_teacher": service.teacher is not None,
            "calibrated": student.deployment is not None,
            "max_rows": service.settings.max_rows,
        }

    @router.get("/metrics", response_class=PlainTextResponse)
    async def read_metrics() -> Response:
        """Metrics for Prometheus."""
        service.metrics.waiting.set(service.batcher.waiting)
        text = service.metrics.render()
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_open(app: FastAPI, service: Service) -> None:
    """The routes that need no key."""
    page = files("distilwhy.serving").joinpath("page.html").read_text(encoding="utf-8")

    @app.get("/", include_in_schema=False)
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": _PAGE_POLICY})

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the process runs."""
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> Response:
        """Whether rows are answered: status 503 while they are not."""
        if service.batcher.alive:
            return JSONResponse({"status": "ready"})
        return _error(503, "the server does not answer rows now; try again")


def _require_key(key: str) -> Callable[[Request], Coroutine[Any, Any, None]]:
    async def check(request: Request) -> None:  # A plain function would be run in a thread.
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(given.encode(), key.encode()):
            raise HTTPException(401, "the API key is missing or wrong; send it as Bearer")

    return check


def _error(status: int, message: str, **headers: str) -> JSONResponse:
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": None}}
    return JSONResponse(body, status, headers)


def _add_errors(app: FastAPI) -> None:
    """Every error is one line in the form that OpenAI's clients read."""

    @app.exception_handler(QueueFullError)
    async def full(request: Request, error: QueueFullError) -> JSONResponse:
        wait = str(max(1, math.ceil(error.seconds)))
        return _error(429, f"too many rows wait; try again in {wait} s", **{"Retry-After": wait})

    @app.exception_handler(TimeoutError)
    async def late(request: Request, error: TimeoutError) -> JSONResponse:
        return _error(503, "not answered in time; send fewer rows, or try again")

    @app.exception_handler(DataError)
    @app.exception_handler(StudentError)
    async def wrong(request: Request, error: Exception) -> JSONResponse:
        return _error(422, first_line(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        # The deepest: of the alternatives that a value may be, that is the nearest.
        first = max(error.errors(), key=lambda one: len(_find_place(one, error.body)))
        place = ".".join(_find_place(first, error.body))
        message = str(first["msg"]).removeprefix("Value error, ")
        return _error(422, f"{place}: {message}" if place else message)

    @app.exception_handler(StarletteError)
    async def other(request: Request, error: StarletteError) -> JSONResponse:
        return _error(error.status_code, str(error.detail), **(error.headers or {}))

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        return _error(500, "the student failed on this request; the server's log has the error")


def _find_place(error: Mapping[str, Any], body: Any) -> list[str]:
    """The place of an error in a body, without the names that the models give to alternatives."""
    *loc, last = error["loc"]
    place: list[str] = []
    for part in [*loc, last]:
        is_there = part in body if isinstance(body, dict) else isinstance(body, list)
        if is_there and isinstance(part, int) == isinstance(body, list):
            body = body[part]
        elif error["type"] != "missing" or part is not last:
            continue
        place.append(str(part))
    return place


_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": what}
    for status, what in {
        400: "The body is not JSON.",
        401: "The API key is missing or wrong.",
        413: "The body is too large.",
        422: "A row does not fit the task.",
        429: "Too many rows wait; try again after Retry-After seconds.",
        503: "Not answered in time.",
    }.items()
}
