"""Graphs: a multigraph in compressed rows, searches over it, grids, and graph files."""
