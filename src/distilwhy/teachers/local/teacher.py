"""A teacher in this process: a transformers causal language model."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from json import dumps
from typing import TYPE_CHECKING, Self

from distilwhy.config import LocalTeacherConfig
from distilwhy.core.parsing.completion import TOO_LONG, Completion
from distilwhy.core.prompt import Prompt
from distilwhy.errors import TeacherError
from distilwhy.model_files import ModelFilesError, find_files
from distilwhy.teachers.base import Teacher
from distilwhy.teachers.call_result import CallResult
from distilwhy.teachers.local.fingerprint import read_fingerprint
from distilwhy.teachers.tokens import PromptTokenizer, open_tokenizer

if TYPE_CHECKING:
    from distilwhy.teachers.local.generate import Generator

# With more prompts at hand than a batch takes, those of similar length can share a batch.
BATCHES_AHEAD = 8


@dataclass(frozen=True)
class _Request:
    """A prompt that waits for its answer."""

    ids: list[int]
    seed: int
    result: asyncio.Future[CallResult]


class LocalTeacher(Teacher):
    """Asks a model in batches of prompts of similar length, in a thread beside the event loop.

    The model is loaded when it is first entered, and kept until ``close``.

    Args:
        place: The model's folder or GGUF file, or its name on the hub or in a package.

    Raises:
        TeacherError: on entering, if the model cannot be loaded.
        ConfigError: on entering or counting, if it has no tokenizer.
    """

    def __init__(self, config: LocalTeacherConfig, place: str) -> None:
        self.name = config.model
        self.concurrency = BATCHES_AHEAD * config.batch_size
        self._config = config
        self._place = place
        self._generator: Generator | None = None

    def request(self, prompt: Prompt) -> Mapping[str, object]:
        return {"by": self._identity, "head": prompt.prefix.digest, "question": prompt.question}

    def longest(self, prompt: Prompt) -> tuple[int, int]:
        return prompt.size, self._config.max_tokens

    def count(self, prompts: Sequence[Prompt]) -> list[int]:
        return self._prompts.count(prompts)

    async def ask(self, prompt: Prompt, sample: int = 0) -> CallResult:
        assert self._generator is not None, "enter the teacher before asking it"
        ids = self._prompts.encode(prompt)
        most = self._generator.context
        if most is not None and len(ids) + self._config.max_tokens > most:
            problem = (
                f"its prompt of {len(ids):,} tokens and teacher.max_tokens "
                f"{self._config.max_tokens:,} are more than the {most:,} that "
                f"{self._config.model} sees; lower it, or show fewer exemplars"
            )
            return CallResult(Completion(problem, TOO_LONG, 0, 0))
        seed = _seed(self.request(prompt), sample)
        request = _Request(ids, seed, asyncio.get_running_loop().create_future())
        self._requests.put_nowait(request)
        return await request.result

    async def __aenter__(self) -> Self:
        from distilwhy.teachers.local.generate import open_generator

        if self._generator is None:
            self._generator = open_generator(self._place, self._tokenizer, self._config)
        self._generator.halted.clear()
        self._requests: asyncio.Queue[_Request] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1)
        self._work = asyncio.create_task(self._answer_all(self._generator))
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._generator is not None
        self._generator.halted.set()
        self._work.cancel()
        self._thread.shutdown(cancel_futures=True)
        await asyncio.gather(self._work, return_exceptions=True)

    def close(self) -> None:
        if self._generator is not None:
            self._generator.release()
            self._generator = None

    async def _answer_all(self, generator: "Generator") -> None:
        while True:
            requests = [await self._requests.get()]
            while not self._requests.empty():
                requests.append(self._requests.get_nowait())
            # The longest first, so that a lack of memory shows at once.
            requests.sort(key=lambda request: len(request.ids), reverse=True)
            while requests:
                size = generator.batch_size
                await self._answer(generator, requests[:size])
                requests = requests[size:]

    async def _answer(self, generator: "Generator", requests: Sequence[_Request]) -> None:
        """Answer one batch; an error is raised in the tasks that wait for it."""
        from distilwhy.teachers.local.generate import EncodedPrompt

        prompts = [EncodedPrompt(request.ids, request.seed) for request in requests]
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._thread, generator.generate, prompts)
        except Exception as error:  # noqa: BLE001
            for request in requests:
                if not request.result.done():
                    request.result.set_exception(error)
            return
        share = (time.monotonic() - started) / len(requests)
        for request, continuation in zip(requests, found, strict=True):
            completion = Completion(
                continuation.text,
                finish_reason="stop" if continuation.ended else "length",
                input_tokens=len(request.ids),
                output_tokens=continuation.tokens,
                model=self._config.model,
            )
            if not request.result.done():
                request.result.set_result(CallResult(completion, seconds=share))

    @cached_property
    def _tokenizer(self) -> object:
        return open_tokenizer(self._place, "teacher.model")

    @cached_property
    def _prompts(self) -> PromptTokenizer:
        return PromptTokenizer(self._tokenizer)

    @cached_property
    def _identity(self) -> str:
        """The SHA-256 of the model and the sampling parameters."""
        config = self._config
        try:
            files = find_files(self._place)
            is_on_disk = files.gguf is not None or files.path.is_dir()
            model = read_fingerprint(files.path) if is_on_disk else config.model
        except ModelFilesError as error:
            raise TeacherError(f"teacher.model {config.model!r} {error}") from error
        except OSError as error:
            raise TeacherError(
                f"teacher.model {config.model!r}: {error.filename} cannot be read "
                f"({error.strerror}); check the folder"
            ) from None
        parameters = [config.kind, model, config.temperature, config.max_tokens, config.stop]
        return sha256(dumps(parameters).encode()).hexdigest()


def _seed(request: Mapping[str, object], sample: int) -> int:
    """A seed that differs between calls, and is the same whenever a call is made."""
    digest = sha256(dumps([request, sample], sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1
