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
from distilwhy.teachers.base import Reply


class RecordedTeacher:
    """Answers from JSONL files with an ``id`` and a ``completion`` a line.

    The k-th line with an id, file after file, is the k-th sample of that row.

    Args:
        files: The completions.
        samples: The most lines that an id may have there.
        explanations: Further files: what is said when asked to explain.
        explained: The most lines that an id may have in those.

    Raises:
        TeacherError: if a file is missing, a line is broken, or an id has too many.
    """

    name = "the recorded completions"
    concurrency = 1
    retries = 0
    patience = None

    def __init__(
        self,
        files: Sequence[Path],
        samples: int = 1,
        explanations: Sequence[Path] = (),
        explained: int = 1,
    ) -> None:
        more = "set teacher.samples to use more"
        fewer = more if explained > 1 else "keep one of them"
        self._completions = _Recording(files, samples, more)
        self._explanations = _Recording(explanations, explained, fewer)

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        name = "explanations" if prompt.head.explains else "content"
        content = self._recording(prompt).content
        return {"kind": "recorded", name: content, "id": prompt.example_id}

    def longest(self, prompt: Prompt) -> tuple[int, int]:
        return 0, 0

    def count(self, prompts: Sequence[Prompt]) -> None:
        return None

    async def ask(self, prompt: Prompt, sample: int = 0) -> Reply:
        said = self._recording(prompt).texts.get(prompt.example_id, [])
        if sample >= len(said):
            what = "explanations" if prompt.head.explains else "completions"
            count = f"only {len(said)}" if said else "none"
            return Reply(Completion("", error=f"the recorded {what} have {count} for this id"))
        return Reply(Completion(said[sample]))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def _recording(self, prompt: Prompt) -> "_Recording":
        return self._explanations if prompt.head.explains else self._completions


class _Recording:
    """What some files hold: the texts of each id in order, and a digest of all of it."""

    def __init__(self, files: Sequence[Path], most: int, remedy: str) -> None:
        self.texts: dict[str, list[str]] = {}
        self._most = most
        self._remedy = remedy
        digest = sha256()
        for path in files:
            digest.update(self._read(path))
        self.content = digest.hexdigest()

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
        texts = self.texts.setdefault(identity, [])
        if len(texts) == self._most:
            lines = "a line" if self._most == 1 else f"{self._most} lines"
            raise TeacherError(f"{where}: id {identity!r} has {lines} already; {self._remedy}")
        texts.append(text)
