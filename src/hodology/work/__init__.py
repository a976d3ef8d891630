"""Units of work named by their content, a store of their results, and engines that run them."""

from hodology.work.dask_engine import DaskEngine
from hodology.work.engines import Engine, SerialEngine, make_engine, run_units
from hodology.work.process_engine import ProcessEngine
from hodology.work.run_folder import claim_folder, mark_folder
from hodology.work.store import UnitStore
from hodology.work.unit import Unit, make_unit

__all__ = [
    "DaskEngine",
    "Engine",
    "ProcessEngine",
    "SerialEngine",
    "Unit",
    "UnitStore",
    "claim_folder",
    "make_engine",
    "make_unit",
    "mark_folder",
    "run_units",
]
