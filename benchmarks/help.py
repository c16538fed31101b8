"""Measures how long ``distilwhy --help`` takes, compared with starting Python alone.

python benchmarks/help.py
"""

import statistics
import subprocess
import sys
import time

ROUNDS = 15
HELP = [sys.executable, "-c", "from distilwhy.cli.app import main; main()", "--help"]
NOTHING = [sys.executable, "-c", ""]


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    rounds = [(seconds(HELP), seconds(NOTHING)) for _ in range(ROUNDS)]
    shown, idle = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"distilwhy --help: {shown:.3f} s; python: {idle:.3f} s; ratio {shown / idle:.1f}")
