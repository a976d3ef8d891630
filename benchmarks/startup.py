"""How long a user waits before anything happens."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.measure import Row

__all__ = ["run"]


def run(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    empty = _seconds(["-c", "pass"], repeats=3 if quick else 10)
    for what, words, bound in (
        ("import hodology", ["-c", "import hodology"], 0.2),
        ("hodology --help", ["-m", "hodology", "--help"], 0.3),
        ("hodology list", ["-m", "hodology", "list"], 0.3),
    ):
        seconds = _seconds(words, repeats=3 if quick else 10)
        yield Row(
            what,
            seconds,
            empty,
            "s",
            f"{seconds:.2f} s",
            f"{bound} s",
            seconds < bound,
            "beside: python alone",
        )


def _seconds(words: list[str], *, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return min(times)
