"""Routes through graphs, grids and scenes."""
