"""A teacher in this process: a causal language model of transformers."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from json import dumps
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from distilwhy.config import LocalTeacherConfig
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.prompt import Prompt
from distilwhy.errors import TeacherError
from distilwhy.teachers.base import Reply
from distilwhy.teachers.local.fingerprint import read_fingerprint
from distilwhy.teachers.tokens import PromptTokenizer, open_tokenizer

if TYPE_CHECKING:
    from distilwhy.teachers.local.generate import Generator

# Of more prompts than a batch takes, those of like lengths can go together.
AHEAD = 8


@dataclass(frozen=True)
class _Asked:
    """A prompt that waits for its answer."""

    ids: list[int]
    seed: int
    reply: asyncio.Future[Reply]


class LocalTeacher:
    """Asks a model in batches of prompts of like lengths, in a thread beside the event loop.

    The model is loaded when it is first entered, and kept until ``release``.

    Args:
        place: The local folder of the model, or its name on the hub.

    Raises:
        TeacherError: on entering, if the model cannot be loaded.
        ConfigError: on entering or counting, if it has no tokenizer.
    """

    retries = 0
    # What is wrong with one prompt says nothing of the next.
    patience = None

    def __init__(self, config: LocalTeacherConfig, place: str) -> None:
        self._config = config
        self._place = place
        self._writer: Generator | None = None

    @property
    def name(self) -> str:
        return self._config.model

    @property
    def concurrency(self) -> int:
        return AHEAD * self._config.batch_size

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        return {"by": self._identity, "head": prompt.prefix.digest, "question": prompt.question}

    def longest(self, prompt: Prompt) -> tuple[int, int]:
        return prompt.size, self._config.max_tokens

    def count(self, prompts: Sequence[Prompt]) -> list[int]:
        return self._prompts.count(prompts)

    async def ask(self, prompt: Prompt, sample: int = 0) -> Reply:
        assert self._writer is not None, "enter the teacher before asking it"
        ids = self._prompts.encode(prompt)
        most = self._writer.context
        if most is not None and len(ids) + self._config.max_tokens > most:
            return Reply(Completion("", error=self._too_long(len(ids), most)))
        seed = _seed(self.request(prompt), sample)
        asked = _Asked(ids, seed, asyncio.get_running_loop().create_future())
        self._asked.put_nowait(asked)
        return await asked.reply

    async def __aenter__(self) -> Self:
        from distilwhy.teachers.local.generate import open_generator

        if self._writer is None:
            self._writer = open_generator(self._place, self._tokenizer, self._config)
        self._writer.halted.clear()
        self._asked: asyncio.Queue[_Asked] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1)
        self._work = asyncio.create_task(self._answer_all(self._writer))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._writer is not None
        self._writer.halted.set()
        self._work.cancel()
        self._thread.shutdown(cancel_futures=True)
        await asyncio.gather(self._work, return_exceptions=True)

    def release(self) -> None:
        """Let the model go, and the memory that it takes."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None

    async def _answer_all(self, writer: "Generator") -> None:
        while True:
            asked = [await self._asked.get()]
            while not self._asked.empty():
                asked.append(self._asked.get_nowait())
            # The longest first: if memory is short it is so at once.
            asked.sort(key=lambda one: len(one.ids), reverse=True)
            while asked:
                size = writer.batch_size
                await self._answer(writer, asked[:size])
                asked = asked[size:]

    async def _answer(self, writer: "Generator", asked: Sequence[_Asked]) -> None:
        """Answer one batch; what goes wrong with it is for those to hear who wait for it."""
        from distilwhy.teachers.local.generate import Opening

        openings = [Opening(one.ids, one.seed) for one in asked]
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        try:
            written = await loop.run_in_executor(self._thread, writer.write, openings)
        except Exception as error:  # noqa: BLE001
            for one in asked:
                if not one.reply.done():
                    one.reply.set_exception(error)
            return
        share = (time.monotonic() - started) / len(asked)
        for one, found in zip(asked, written, strict=True):
            said = Completion(
                found.text,
                finish_reason="stop" if found.ended else "length",
                input_tokens=len(one.ids),
                output_tokens=found.tokens,
                model=self._config.model,
            )
            if not one.reply.done():
                one.reply.set_result(Reply(said, seconds=share))

    def _too_long(self, length: int, most: int) -> str:
        return (
            f"its prompt of {length:,} tokens and teacher.max_tokens {self._config.max_tokens:,} "
            f"are more than the {most:,} that {self._config.model} sees; lower it, or show fewer "
            "exemplars"
        )

    @cached_property
    def _tokenizer(self) -> object:
        return open_tokenizer(self._place, "teacher.model")

    @cached_property
    def _prompts(self) -> PromptTokenizer:
        return PromptTokenizer(self._tokenizer)

    @cached_property
    def _identity(self) -> str:
        """The SHA-256 of the model and the sampling parameters."""
        config, folder = self._config, Path(self._place)
        try:
            model = read_fingerprint(folder) if folder.is_dir() else config.model
        except OSError as error:
            raise TeacherError(
                f"teacher.model {config.model!r}: {error.filename} cannot be read "
                f"({error.strerror}); check the folder"
            ) from None
        decides = [config.kind, model, config.temperature, config.max_tokens, config.stop]
        return sha256(dumps(decides).encode()).hexdigest()


def _seed(request: Mapping[str, object], sample: int) -> int:
    """Another one for every call, and the same one whenever that call is made."""
    digest = sha256(dumps([request, sample], sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1
