"""The machine that a benchmark runs on, its peak, and the time that it takes for something."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from distilwhy.environment import set_defaults

set_defaults()  # before torch is imported

import torch  # noqa: E402

# Dense bf16 peaks by the makers' data sheets, in FLOP/s, by a part of the name.
GPU_PEAKS = {"H100 PCIe": 756e12, "H100": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12}
SIDE, ROUNDS = 2048, 3


def use_device(wanted: str) -> torch.device:
    """The device that ``--device`` names: ``auto``, ``cpu`` or ``cuda``."""
    if wanted == "cpu":
        # Otherwise training would use a GPU where there is one.
        os.environ["ACCELERATE_USE_CPU"] = "true"
    found = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(found if wanted == "auto" else wanted)


def name_machine(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    found = {k for k, v in torch.cpu.get_capabilities().items() if v and "bf16" in str(k)}
    return (
        f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} threads, "
        f"{', '.join(sorted(found)) or 'no bf16'}, torch {torch.__version__}"
    )


def peak(device: torch.device) -> float:
    """The FLOP/s of bf16 matrix products: a GPU's by its data sheet, a CPU's as measured now."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        known = [flops for part, flops in GPU_PEAKS.items() if part in name]
        if known:
            return known[0]
    one = torch.randn(SIDE, SIDE, dtype=torch.bfloat16, device=device)
    return 2 * SIDE**3 / seconds(lambda: one @ one, device)


def seconds(run: Callable[[], object], device: torch.device, rounds: int = ROUNDS) -> float:
    """The median time of a call, after one that is not counted."""
    times = []
    for _ in range(rounds + 1):
        wait(device)
        started = time.perf_counter()
        run()
        wait(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def seconds_in_turns(
    runs: dict[str, Callable[[], object]], device: torch.device, rounds: int = ROUNDS
) -> dict[str, float]:
    """The median time of each call; all are run in turns, so that other work slows each alike."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            wait(device)
            started = time.perf_counter()
            run()
            wait(device)
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
