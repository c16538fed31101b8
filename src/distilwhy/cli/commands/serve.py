"""The command that serves a student over HTTP."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from distilwhy.cli.options import parse_budget
from distilwhy.cli.output import print_line
from distilwhy.errors import ConfigError


def serve(
    student: Annotated[Path, typer.Argument(metavar="STUDENT", help="The student's folder.")],
    host: Annotated[
        str, typer.Option(metavar="HOST", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", help="The port.")] = 8000,
    workers: Annotated[
        int, typer.Option(metavar="N", min=1, help="Processes; each loads the student.")
    ] = 1,
    cascade: Annotated[
        bool,
        typer.Option("--cascade", help="Refer rows below the threshold instead of answering them."),
    ] = False,
    teacher: Annotated[
        Path | None,
        typer.Option(
            metavar="EXP.yaml", help="Ask this experiment's teacher about rows below the threshold."
        ),
    ] = None,
    daily_budget: Annotated[
        Decimal | None,
        typer.Option(
            parser=parse_budget, metavar="AMOUNT", help="The most that the teacher costs in a day."
        ),
    ] = None,
    max_delay: Annotated[
        float,
        typer.Option(
            metavar="MS", min=0, help="How long a row waits for others, in ms; 0: no batching."
        ),
    ] = 4,
    max_waiting: Annotated[
        int, typer.Option(metavar="N", min=1, help="Rows that may wait before status 429.")
    ] = 2048,
    max_wait: Annotated[
        float,
        typer.Option(metavar="S", min=0, help="How long a row may wait, in s, before status 429."),
    ] = 1,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=0.1, help="Seconds until status 503.")
    ] = 30,
    keep_requests: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Append rows and their answers to this file, as JSONL."),
    ] = None,
    keep_share: Annotated[
        float,
        typer.Option(metavar="SHARE", min=0, max=1, help="The share of the rows that is kept."),
    ] = 1,
) -> None:
    """Serve a student over HTTP.

    It has an API of its own, OpenAI's chat API, metrics and a page. Set DISTILWHY_API_KEY to
    require a key; a host that other machines can reach always needs one.
    """
    try:
        from distilwhy.serving.server import KEY_ENV
        from distilwhy.serving.server import serve as run
    except ModuleNotFoundError as error:
        raise ConfigError(f"serving needs {error.name}: pip install 'distilwhy[serve]'") from error
    from distilwhy.serving.settings import ServerSettings

    if daily_budget is not None and teacher is None:
        raise ConfigError("--daily-budget: is for the calls of --teacher; give that too")
    settings = ServerSettings(
        cascade=cascade or teacher is not None,
        teacher=teacher,
        daily_budget=daily_budget,
        api_key=os.environ.get(KEY_ENV) or None,
        max_delay=max_delay / 1000,
        max_waiting=max_waiting,
        max_wait=max_wait,
        timeout=timeout,
        keep_requests=keep_requests.resolve() if keep_requests else None,
        keep_share=keep_share,
    )
    run(student, settings, host, port, workers, say=print_line)
