"""The commands that hand a student over: ``card`` and ``push``."""

from pathlib import Path
from typing import Annotated

import typer

from distilwhy.cli.output import print_line

Folder = Annotated[Path, typer.Argument(metavar="STUDENT", help="The student's folder.")]
License = Annotated[
    str | None,
    typer.Option(
        "--license", metavar="ID", help="The student's licence, as the hub calls it, such as mit."
    ),
]


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
