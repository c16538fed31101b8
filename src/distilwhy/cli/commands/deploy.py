"""The commands about a student in use: ``export``, ``card``, ``push`` and ``drift``."""

from pathlib import Path
from typing import Annotated

import typer

from distilwhy.cli.context import interruptible, without_collection
from distilwhy.cli.options import AsJson
from distilwhy.cli.output import print_line, print_notice

TOO_FAR = 4

Folder = Annotated[Path, typer.Argument(metavar="STUDENT", help="The student's folder.")]
License = Annotated[
    str | None,
    typer.Option(
        "--license", metavar="ID", help="The student's licence, as the hub calls it, such as mit."
    ),
]


def export(
    student: Folder,
    target: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder to write to.")],
    to: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="hf, onnx (encoders) or ctranslate2 (students that write their answers).",
        ),
    ],
    quantize: Annotated[
        str | None,
        typer.Option(
            metavar="PRECISION", help="Store weights as int8, float16 or bfloat16, by the format."
        ),
    ] = None,
    rows: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Rows to compare labels on; by default the experiment's validation rows.",
        ),
    ] = None,
) -> None:
    """Export a student to another runtime.

    The export is written only if it gives the student's labels on at least 99.5% of the rows. Its
    folder works like a student's with 'predict' and 'serve'.
    """
    with without_collection():
        from distilwhy.pipeline.deploy.export.run import export as run

    with interruptible():
        report = run(student, target, to, quantize=quantize, rows=rows)
    print_line(target)
    for line in report.lines:
        print_line(line)


def card(student: Folder, license_id: License = None) -> None:
    """Write a student's model card, as the README.md in its folder.

    It says what the student was trained on and how, its scores, when to trust it, its limits, and
    which terms to check before it is published. Evaluate the student first.
    """
    from distilwhy.pipeline.deploy.card import write_card

    print_line(write_card(student, license_id))


def push(
    student: Folder,
    repo: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="The repository on the Hugging Face hub.")
    ],
    license_id: License = None,
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public; else it is private.")
    ] = False,
) -> None:
    """Upload a student to the Hugging Face hub, with its model card.

    It needs a token that may write: 'hf auth login', or the variable HF_TOKEN.
    """
    from distilwhy.pipeline.deploy.push import push

    print_line(push(student, repo, license_id=license_id, is_public=public))


def drift(
    student: Folder,
    log: Annotated[
        Path,
        typer.Argument(
            metavar="LOG", help="Rows kept by 'serve --keep-requests', or written by 'predict'."
        ),
    ],
    max_psi: Annotated[
        float | None,
        typer.Option(
            metavar="PSI", min=0, help="End with exit status 4 if a shift is larger; 0.25 is large."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a student's traffic with its validation rows.

    It compares labels, confidence and the share referred, in all and over time. A shift that
    chance alone may give in so few rows never ends with exit status 4.
    """
    from distilwhy.cli.views.drift import print_drift
    from distilwhy.pipeline.deploy.drift import report_drift

    found = report_drift(student, log)
    print_drift(found, as_json)
    if max_psi is not None and found.drift.worst > max_psi:
        print_notice(f"The shift, a PSI of {found.drift.worst:.3f}, is larger than {max_psi:g}.")
        raise typer.Exit(TOO_FAR)
