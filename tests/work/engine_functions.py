"""Functions of units, importable by worker processes, and what the tests of engines share."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hodology.rng import stream
from hodology.work import Unit, make_unit

WORK = "engine_functions:work"


def work(payload: Mapping[str, Any]) -> bytes:
    """Draw numbers; wait at a gate or die once where the payload says so; log the start and the end."""
    _log(payload, "start")
    if "marker" in payload and _made(payload["marker"]):
        os.kill(os.getpid(), signal.SIGKILL)
    if "leftover" in payload:
        Path(payload["leftover"]).write_bytes(b"half")
    if "gate" in payload:
        wait_until(Path(payload["gate"]).exists)
    values = stream(payload["index"], "work").normal(size=1000)
    _log(payload, "done")
    return values.tobytes()


def die(payload: Mapping[str, Any]) -> bytes:
    """Kill the worker, always."""
    _log(payload, "start")
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


class OddError(Exception):
    """An error that pickle cannot rebuild."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"index {index} is {reason}")


def fail(payload: Mapping[str, Any]) -> bytes:
    """Raise on one index."""
    if payload["index"] == 2:
        raise OddError(2, "odd") if payload["odd"] else ValueError("index 2 is bad")
    return b"fine"


def text(payload: Mapping[str, Any]) -> Any:
    """Return what no unit may return."""
    return "text"


def threads(payload: Mapping[str, Any]) -> bytes:
    """Tell how many threads torch and the BLAS libraries use."""
    import numpy as np
    import torch
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    pools = {pool["num_threads"] for pool in threadpool_info()}
    return json.dumps({"torch": torch.get_num_threads(), "pools": sorted(pools)}).encode()


def make_units(
    folder: Path, count: int = 6, special: Mapping[int, Mapping[str, Any]] | None = None
) -> list[Unit]:
    """Units of `work` that log into `folder`."""
    log = str(folder / "log")
    return [make_unit(WORK, {"index": i, "log": log, **(special or {}).get(i, {})}) for i in range(count)]


def logged(folder: Path, word: str) -> Counter[int]:
    """How often each index has started or is done."""
    file = folder / "log"
    lines = file.read_text().splitlines() if file.exists() else []
    return Counter(int(index) for name, index, _ in map(str.split, lines) if name == word)


def logged_processes(folder: Path) -> set[int]:
    """Numbers of the processes that ran units."""
    return {int(line.split()[2]) for line in (folder / "log").read_text().splitlines()}


def wait_until(condition: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Poll; give up with an error."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("waited in vain")
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _log(payload: Mapping[str, Any], word: str) -> None:
    handle = os.open(payload["log"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(handle, f"{word} {payload['index']} {os.getpid()}\n".encode())
    os.close(handle)


def _made(marker: str) -> bool:
    """Whether this call is the first to make the file."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
