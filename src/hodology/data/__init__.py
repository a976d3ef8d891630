"""Data sets: an embedded one, and readers for what users bring."""

from hodology.data.dataset import Dataset, Item
from hodology.data.opening import open_dataset

__all__ = ["Dataset", "Item", "open_dataset"]
