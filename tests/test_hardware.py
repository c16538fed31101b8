"""Devices and memory."""

import platform

import psutil
import pytest
import torch

from distilwhy.hardware import release_memory

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
