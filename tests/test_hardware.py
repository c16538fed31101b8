"""Devices and memory."""

import platform
import resource

import psutil
import pytest
import torch

from distilwhy import hardware
from distilwhy.hardware import keeping_heap, release_memory

BLOCKS, VALUES = 4000, 2**14  # 250 MiB, in blocks of 64 KiB


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed blocks")
def test_memory_that_is_no_longer_used_goes_back_to_the_system():
    blocks = [torch.ones(VALUES) for _ in range(BLOCKS)]
    kept = blocks[::100] + blocks[-1:]
    del blocks
    process = psutil.Process()
    before = process.memory_info().rss
    release_memory()
    assert before - process.memory_info().rss > BLOCKS * VALUES * 4 // 2
    assert all(bool(block.all()) for block in kept)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has such a setting")
def test_a_heap_that_is_kept_is_not_fetched_again_page_by_page():
    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(10):
            torch.ones(2**24)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    given_back = faults()
    with keeping_heap():
        faults()
        kept = faults()
    assert kept < given_back / 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has such a setting")
def test_a_heap_is_kept_until_the_last_context_ends(monkeypatch: pytest.MonkeyPatch):
    tuned = []
    monkeypatch.setattr(hardware, "_glibc", lambda name: lambda *values: tuned.append(values))
    first, second = keeping_heap(), keeping_heap()
    first.__enter__()
    second.__enter__()
    kept = list(tuned)
    first.__exit__(None, None, None)
    assert tuned == kept
    assert len(kept) == 2
    second.__exit__(None, None, None)
    assert len(tuned) == 4
