"""Graphs: a multigraph in compressed rows, searches over it, grids, and graph files."""

from hodology.graph.convert import (
    from_named_edges,
    from_networkx,
    from_ogb,
    from_pykeen,
    from_scipy,
    to_networkx,
)
from hodology.graph.files import open_graph, read_graph, write_graph
from hodology.graph.geodesics import geodesic_distances, iter_geodesic_distances
from hodology.graph.graph_path import GraphPath, graph_path_set
from hodology.graph.grid import Grid
from hodology.graph.k_shortest import (
    ShortestPathFinder,
    iter_shortest_paths,
    k_shortest_paths,
    k_shortest_paths_many,
)
from hodology.graph.multigraph import Arcs, MultiGraph
from hodology.graph.search import (
    ShortestPathTree,
    bfs_tree,
    shortest_path,
    shortest_path_tree,
    shortest_paths,
)

__all__ = [
    "Arcs",
    "GraphPath",
    "Grid",
    "MultiGraph",
    "ShortestPathFinder",
    "ShortestPathTree",
    "bfs_tree",
    "from_named_edges",
    "from_networkx",
    "from_ogb",
    "from_pykeen",
    "from_scipy",
    "geodesic_distances",
    "graph_path_set",
    "iter_geodesic_distances",
    "iter_shortest_paths",
    "k_shortest_paths",
    "k_shortest_paths_many",
    "open_graph",
    "read_graph",
    "shortest_path",
    "shortest_path_tree",
    "shortest_paths",
    "to_networkx",
    "write_graph",
]
