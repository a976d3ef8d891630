"""Peak memory of a trace: it grows with --batch and not with the number of inputs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Row

__all__ = ["run"]

_MODEL = """
from hodology.nn.models import VisionTransformer
def build():
    return VisionTransformer(image_size=96, channels=3, classes=10, width=384, heads=6)
"""
_CHILD = """
import sys
from pathlib import Path
from hodology.interpret.trace import TraceSettings, trace
from hodology.interpret.trace_output import write_outputs
model, data, out, batch, limit = sys.argv[1:]
settings = TraceSettings(model=model, data=data, batch=int(batch), limit=int(limit), steps=4,
                         rule="gauss-legendre", methods=("neuron-path",), shard=16)
write_outputs(trace(settings, out))
# VmHWM, because ru_maxrss begins with the peak of the process that started this one
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) / 1024)
"""


def run(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    few, many = (16, 32) if quick else (16, 96)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "net.py").write_text(_MODEL)
        _write_images(folder / "images", many)
        peak = {
            (batch, n): _peak(folder, batch, n) for batch, n in ((1, few), (4, few), (4, many), (16, few))
        }
    more = peak[4, many] - peak[4, few]
    yield Row(
        f"peak memory, {many} inputs beside {few}, --batch 4",
        peak[4, many],
        peak[4, few],
        "MiB",
        f"{more:+.0f} MiB",
        "50 MiB",
        more < 50.0,
    )
    yield Row(
        f"peak memory, --batch 16 beside --batch 1, {few} inputs",
        peak[16, few],
        peak[1, few],
        "MiB",
        f"{peak[16, few] - peak[1, few]:+.0f} MiB",
        "grows with --batch alone",
        peak[1, few] < peak[16, few],
    )


def _write_images(folder: Path, count: int) -> None:
    import numpy as np
    from PIL import Image

    folder.mkdir()
    values = np.random.default_rng(0)
    for i in range(count):
        Image.fromarray(values.integers(0, 256, (96, 96, 3), dtype=np.uint8)).save(folder / f"{i:04d}.png")


def _peak(folder: Path, batch: int, limit: int) -> float:
    words = [
        f"{folder / 'net.py'}:build",
        str(folder / "images"),
        str(folder / f"out-{batch}-{limit}"),
        str(batch),
        str(limit),
    ]
    done = subprocess.run([sys.executable, "-c", _CHILD, *words], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])
