"""Labelled data as people have it - tensors, loaders, mappings of a tokenizer - as batches of inputs and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from hodology.errors import InputError
from hodology.nn.forward import Inputs, batch_size, select_rows

__all__ = ["Data", "labelled_batches"]

Data = tuple[Inputs, Tensor] | Iterable[Any]
_LABELS = ("labels", "label")


def labelled_batches(data: Data, *, size: int) -> Iterator[tuple[Inputs, Tensor]]:
    """Batches of inputs and labels of a pair or a loader.

    Raises
    ------
    InputError
        For what is neither, and for batches without labels.
    """
    if size < 1:
        raise InputError(f"batch_size must be at least 1, got {size}.")
    if isinstance(data, (tuple, list)) and len(data) == 2 and isinstance(data[0], (Tensor, Mapping)):
        inputs, labels = data
        if not isinstance(labels, Mapping):
            yield from _cut(inputs, torch.as_tensor(labels), size)
            return
    if isinstance(data, (Tensor, Mapping, str)) or not isinstance(data, Iterable):
        raise InputError(
            f"data must be a pair (inputs, labels) or a loader of such batches, got {type(data).__name__}."
        )
    for batch in data:
        yield _labelled(batch)


def _cut(inputs: Inputs, labels: Tensor, size: int) -> Iterator[tuple[Inputs, Tensor]]:
    rows = batch_size(inputs)
    if labels.shape != (rows,) or rows == 0:
        raise InputError(f"labels must be one per row, got shape {tuple(labels.shape)} for {rows} rows.")
    for index in torch.arange(rows).split(size):
        device = inputs.device if isinstance(inputs, Tensor) else next(iter(inputs.values())).device
        yield select_rows(inputs, index.to(device)), labels[index.to(labels.device)]


def _labelled(batch: Any) -> tuple[Inputs, Tensor]:
    if isinstance(batch, Mapping):
        key = next((name for name in _LABELS if name in batch), None)
        if key is not None:
            return {name: value for name, value in batch.items() if name != key}, torch.as_tensor(batch[key])
    elif isinstance(batch, (tuple, list)) and len(batch) == 2:
        return batch[0], torch.as_tensor(batch[1])
    raise InputError(
        f"a batch must be (inputs, labels) or a mapping with 'labels', got {type(batch).__name__}."
    )
