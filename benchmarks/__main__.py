"""``python -m benchmarks [NAME...] [--quick]``: speed and memory beside the peers, in one run.

Prints a table and writes ``benchmarks/results.json`` and ``docs/benchmarks.md``; ``--quick`` uses small shapes and
writes nothing. Exit code 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Row

NAMES = (
    *("startup", "taps", "memory", "layers", "search", "causal_edges", "path_ensemble", "semi_nmf"),
    *(
        "k_shortest",
        "kg_paths",
        "grid_stepper",
        "follower",
        "geometry",
        "trsa",
        "mouse_hierarchy",
        "task_geometry",
    ),
)
RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> int:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="small shapes; nothing is written")
    options = parser.parse_args()
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    passed = True
    for name in options.names or NAMES:
        rows = []
        for row in import_module(f"benchmarks.{name}").run(quick=options.quick):
            print(_line(row), flush=True)
            rows.append(row)
        passed &= all(row.passed for row in rows)
        kept[name] = {"machine": _machine(), "rows": [asdict(row) for row in rows]}
    if not options.quick:
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
        PAGE.write_text(_page(kept))
    _print(kept if not options.quick else {name: kept[name] for name in options.names or NAMES})
    return 0 if passed else 1


def _machine() -> str:
    from importlib.metadata import version

    packages = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "captum", "numba", "networkx", "scipy")
    )
    return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _line(row: Row) -> str:
    return f"{row.what}: {row.figure} ({'kept' if row.passed else 'MISSED'}: {row.bound})"


def _cells(row: dict[str, object]) -> list[str]:
    def number(value: object) -> str:
        return "" if value is None else f"{value:.3g} {row['unit']}"

    kept = "kept" if row["passed"] else "missed"
    return [
        str(row["what"]),
        number(row["ours"]),
        number(row["theirs"]),
        str(row["figure"]),
        f"{row['bound']}: {kept}",
        str(row["note"]),
    ]


COLUMNS = ("measured", "ours", "beside", "figure", "bound", "note")


def _print(kept: dict[str, dict]) -> None:
    table = Table(*COLUMNS)
    for entry in kept.values():
        for row in entry["rows"]:
            table.add_row(*_cells(row))
    Console().print(table)


def _page(kept: dict[str, dict]) -> str:
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`: ours and the peer in the same run on the same machine. `beside` is the peer (the plain",
        "schedule of the paper for the search, captum for layers, the plain pass for recording, Python alone for",
        "start-up, the other setting for memory, naive masking for edges, a pass per path for ensembles, the two matrix",
        "products or the plain update of the paper for semi-NMF, networkx, SciPy and igraph for paths, POGEMA 1.4.0 for",
        "grids, SciPy, rsatoolbox and the bare matrix products for dissimilarities).",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
    ]
    for name in NAMES:
        for row in kept.get(name, {"rows": []})["rows"]:
            lines.append("| " + " | ".join(_cells(row)) + " |")
    machines = sorted({entry["machine"] for entry in kept.values()})
    return "\n".join([*lines, "", "Machine: " + "; ".join(machines) + ".", ""])


if __name__ == "__main__":
    sys.exit(main())
