"""Path and PathSet: the noun that every wing hands on."""

from hodology.path.pathset import Path, PathSet, Step
from hodology.path.files import JsonlWriter, read_path_graph

__all__ = ["JsonlWriter", "Path", "PathSet", "Step", "read_path_graph"]
