"""Publish a student on the Hugging Face hub, with its model card."""

from pathlib import Path

from huggingface_hub import HfApi

from distilwhy.errors import RunError, first_line
from distilwhy.pipeline.deploy.card import write_card

# What a user of the student has no use for.
_LEFT_OUT = ["training.jsonl"]


def push(folder: Path, repo: str, *, license_id: str | None = None, is_public: bool = False) -> str:
    """Write the model card, and upload the student's folder; return the address of the repository.

    The token is that of ``hf auth login`` or of the variable HF_TOKEN. A repository that exists
    keeps its visibility.

    Args:
        repo: The repository, as ``owner/name``; it is made if there is none.
        license_id: As for ``write_card``.
        is_public: Whether others can see a repository that is made.

    Raises:
        StudentError, RunError: as ``write_card``.
        RunError: if the hub refuses it or cannot be reached.
    """
    write_card(folder, license_id)
    hub = HfApi()
    try:
        made = hub.create_repo(repo, private=not is_public, exist_ok=True)
        hub.upload_folder(
            repo_id=made.repo_id,
            folder_path=folder,
            ignore_patterns=_LEFT_OUT,
            commit_message="A student by distilwhy",
        )
    # The hub's client also raises the errors of the HTTP library that its version is built on.
    except Exception as error:
        raise RunError(
            f"{repo}: the hub at {hub.endpoint} did not take it ({first_line(error)}); check the "
            "name and the network, log in with 'hf auth login' or set HF_TOKEN to a token that may "
            "write, and push again"
        ) from error
    return str(made)
