"""Data sets of the Hugging Face hub, through the `datasets` library, its cache and its offline switches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hodology.data.dataset import Dataset, Item
from hodology.errors import InputError, UnavailableError, UnknownNameError, near_names
from hodology.optional import require

__all__ = ["HubDataset", "load_hub_dataset"]


class HubDataset(Dataset):
    """A `datasets.Dataset` as items.

    Parameters
    ----------
    table : datasets.Dataset
    name : str
    image_column, text_column, label_column : str, optional
        Default: the first Image feature, else the first text feature; the first ClassLabel feature.
    """

    def __init__(
        self,
        table: Any,
        *,
        name: str,
        image_column: str | None = None,
        text_column: str | None = None,
        label_column: str | None = None,
    ) -> None:
        self.table, self.name = table, name
        features = table.features
        for column in (image_column, text_column, label_column):
            if column is not None and column not in features:
                raise UnknownNameError(f"{name} has no column {column!r}{near_names(column, features)}.")
        kinds = {key: type(feature).__name__ for key, feature in features.items()}
        images = [key for key, kind in kinds.items() if kind == "Image"]
        texts = [key for key, feature in features.items() if getattr(feature, "dtype", None) == "string"]
        labels = [key for key, kind in kinds.items() if kind == "ClassLabel"]
        self.image_column = image_column or (None if text_column else next(iter(images), None))
        self.text_column = text_column or (None if self.image_column else next(iter(texts), None))
        if self.image_column is None and self.text_column is None:
            raise InputError(f"{name} has no column of images or text; its columns are {sorted(features)}.")
        self.label_column = label_column or next(iter(labels), None)
        self.kind = "image" if self.image_column else "text"
        names = getattr(features.get(self.label_column), "names", None) if self.label_column else None
        self.class_names = tuple(names) if names else None

    def __len__(self) -> int:
        return len(self.table)

    @property
    def fingerprint(self) -> str:
        """The fingerprint that `datasets` keeps."""
        return str(self.table._fingerprint)

    def items(self, start: int, stop: int) -> list[Item]:
        """Items start .. stop - 1."""
        return [self._item(index) for index in range(start, min(stop, len(self)))]

    def labels(self) -> list[int | None]:
        """Label of every row, from its column alone."""
        return list(self.table[self.label_column]) if self.label_column else [None] * len(self)

    def _item(self, index: int) -> Item:
        row = self.table[index]
        content = row[self.image_column].convert("RGB") if self.image_column else row[self.text_column]
        label = row[self.label_column] if self.label_column else None
        return Item(f"{self.name}:{index}", content, label)


def load_hub_dataset(spec: str, *, split: str | None = None) -> Any:
    """Load a data set by hub id, or a folder that ``save_to_disk`` wrote.

    Raises
    ------
    UnavailableError
        When it is neither cached nor reachable; says what to do.
    InputError
        When a split must be chosen.
    """
    datasets = require("datasets", extra="hf", purpose="loading a data set of the hub")
    if Path(spec).is_dir():
        found = datasets.load_from_disk(spec)
    else:
        try:
            found = datasets.load_dataset(spec)
        except (OSError, ConnectionError, ValueError) as error:
            raise UnavailableError(
                f"data set {spec!r} is no local path, and as a hub id neither in the cache nor reachable "
                f"({type(error).__name__}); download it on a connected machine and set HF_HOME to its cache, or pass "
                "a folder or file."
            ) from error
    if hasattr(found, "keys"):
        names = list(found.keys())
        chosen = split or next((n for n in ("validation", "test", "train") if n in names), names[0])
        if chosen not in names:
            raise InputError(f"split {chosen!r} is not in {spec}{near_names(chosen, names)}.")
        return found[chosen]
    return found
