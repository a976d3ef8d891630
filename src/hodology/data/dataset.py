"""What every data set offers: items by slice, so that shards of a large one use bounded memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Dataset", "Item"]


@dataclass(frozen=True, eq=False)
class Item:
    """One example.

    Attributes
    ----------
    id : str
        Stable name, for example the file's path within the folder.
    content : PIL image, ndarray or str
        An image (RGB), an array as a model takes it, or a text.
    label : int or None
        Class index into the data set's `class_names` (or the model's classes when there are none).
    """

    id: str
    content: Any
    label: int | None


class Dataset(ABC):
    """An ordered collection of examples.

    Attributes
    ----------
    name : str
    kind : {"image", "text", "array"}
    class_names : tuple of str or None
    """

    name: str
    kind: Literal["image", "text", "array"]
    class_names: tuple[str, ...] | None = None

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Hash that changes when the data do."""

    @abstractmethod
    def items(self, start: int, stop: int) -> list[Item]:
        """Items start .. stop - 1; fewer at the end."""

    def labels(self) -> list[int | None]:
        """Label of every item; contents are not decoded where a data set can tell labels without."""
        return [item.label for start in range(0, len(self), 64) for item in self.items(start, start + 64)]
