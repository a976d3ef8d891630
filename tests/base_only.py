"""Run in an environment with the base install alone: every module imports, and what an extra brings says so."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import hodology
from hodology.errors import MissingExtraError

EXTRAS = (
    "transformers",
    "datasets",
    "PIL",
    "pyarrow",
    "dask",
    "distributed",
    "pandas",
    "captum",
    "matplotlib",
    "gymnasium",
    "pettingzoo",
    "h5py",
    "xarray",
)


def main() -> None:
    names = [
        m.name
        for m in pkgutil.walk_packages(hodology.__path__, "hodology.")
        if not m.name.endswith("__main__")
    ]
    for name in names:
        importlib.import_module(name)
    loaded = [name for name in EXTRAS if name in sys.modules]
    assert not loaded, f"imported without being asked for: {loaded}"

    from hodology.data import open_dataset
    from hodology.nn.topics_gpt import topics_gpt
    from hodology.path import PathSet
    from hodology.planning import LifelongGrid, parallel_env, warehouse_map
    from hodology.work import DaskEngine, UnitStore

    calls = {
        "hf": [
            lambda: open_dataset("owner/name"),
            lambda: PathSet.from_parquet("missing.parquet"),
            lambda: topics_gpt(epochs=1),
        ],
        "swarm": [lambda: parallel_env(LifelongGrid(warehouse_map(), 4))],
        "dist": [
            lambda: list(DaskEngine("tcp://127.0.0.1:1").run("m:f", [], UnitStore("/tmp/hodology-base-only")))
        ],
    }
    for extra, functions in calls.items():
        for function in functions:
            try:
                function()
            except MissingExtraError as error:
                assert f"hodology[{extra}]" in str(error), error
            else:
                raise AssertionError(f"extra {extra!r} was not asked for")
    print(f"{len(names)} modules import with the base install alone")


if __name__ == "__main__":
    main()
