"""A teacher whose completions are already in a file, by row id."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from distilwhy.core.annotation import Completion
from distilwhy.core.prompt import Prompt
from distilwhy.errors import TeacherError


class RecordedTeacher:
    """Answers from JSONL files with an ``id`` and a ``completion`` a line.

    Raises:
        TeacherError: if a file is missing, a line is broken, or an id is answered twice.
    """

    concurrency = 1
    patience = None

    def __init__(self, files: Sequence[Path]) -> None:
        self._completions: dict[str, str] = {}
        digest = sha256()
        for path in files:
            digest.update(self._read(path))
        self._content = digest.hexdigest()

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        return {"kind": "recorded", "content": self._content, "id": prompt.example_id}

    async def ask(self, prompt: Prompt) -> Completion:
        text = self._completions.get(prompt.example_id)
        if text is None:
            return Completion("", error="the recorded completions have none for this id")
        return Completion(text)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def _read(self, path: Path) -> bytes:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise TeacherError(
                f"{path}: cannot be read ({error.strerror}); check the path"
            ) from None
        for number, line in enumerate(content.splitlines(), 1):
            if line.strip():
                self._keep(line, f"{path} row {number}")
        return content

    def _keep(self, line: bytes, where: str) -> None:
        try:
            row = json.loads(line)
            identity, text = str(row["id"]), row["completion"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise TeacherError(
                f"{where}: must be a JSON object with 'id' and 'completion'; mend the line"
            ) from None
        if not isinstance(text, str):
            raise TeacherError(f"{where}: its 'completion' is no text: {text!r}")
        if identity in self._completions:
            raise TeacherError(f"{where}: id {identity!r} is answered twice; keep one of them")
        self._completions[identity] = text
