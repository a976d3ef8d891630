"""Path and PathSet: the noun that every wing hands on."""

from hodology.path.files import JsonlWriter, read_path_graph
from hodology.path.pathset import Path, PathSet, Step

__all__ = ["JsonlWriter", "Path", "PathSet", "Step", "read_path_graph"]
