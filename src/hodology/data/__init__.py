"""Data sets: an embedded one, and readers for what users bring."""
