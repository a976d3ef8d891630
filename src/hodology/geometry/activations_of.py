"""Patterns of a model's layers: what each layer of any module answers to each stimulus."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.patterns import Patterns, check_labels
from hodology.nn.forward import Inputs, batch_size, check_inputs, select_rows, to_device, usable_model
from hodology.nn.load import check_device
from hodology.nn.sites import Site, find_sites, resolve_sites
from hodology.nn.taps import evaluation_mode, hook_site

__all__ = ["Pool", "patterns_of"]

Pool = Literal["mean", "cls"]


def patterns_of(
    model: nn.Module,
    inputs: Inputs | np.ndarray,
    layers: Sequence[str | int | Site] | None = None,
    *,
    pool: Pool | None = None,
    batch_size: int = 64,
    stimuli: Sequence[Any] | None = None,
    device: str | None = None,
) -> dict[str, Patterns]:
    """Record the patterns of layers for a set of stimuli.

    Parameters
    ----------
    model : nn.Module
        Run in eval mode; never changed.
    inputs : Tensor, ndarray, or mapping of str to Tensor
        Stimuli first: images, token ids with their attention mask, or whatever the model takes.
    layers : sequence of str, int or Site, optional
        Any site of `hodology.nn.sites`, such as ``"conv1"`` or ``"blocks.3.mlp:input"``. Integers are the outputs of a
        transformer's blocks. Default those, or in a model without blocks every convolution and linear map, before its
        activation function.
    pool : {None, "mean", "cls"}
        None flattens whatever a layer carries for a stimulus. "mean" takes the mean over tokens or places of a feature
        map; padding, by the attention mask, is left out. "cls" takes the first token.
    batch_size : int
        Stimuli in one pass; the patterns do not depend on it beyond rounding.
    stimuli : sequence, optional
        Labels.
    device : str, optional
        Where to run; default the model's own place. Elsewhere a copy of the model runs.

    Returns
    -------
    dict of str to Patterns
        In the order of `layers`, float32 (float64 for a float64 model).

    Raises
    ------
    UnknownNameError
        When a layer or a way of pooling does not exist.
    InputError
        For a layer that is reached several times in a pass or not at all, that has no tokens to pool, whose size
        differs between batches, padded texts without pooling, and activity that is not finite.
    """
    if pool is not None and pool not in get_args(Pool):
        raise UnknownNameError(f"pool {pool!r} does not exist{near_names(pool, get_args(Pool))}.")
    if isinstance(batch_size, bool) or batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}.")
    model = usable_model(model)
    sites = resolve_sites(model, _default_layers(model) if layers is None else layers, units="residual")
    given: Inputs = torch.from_numpy(inputs) if isinstance(inputs, np.ndarray) else inputs
    if device is not None:
        wanted = check_device(device)
        given = to_device(given, wanted)
        model = copy.deepcopy(model).to(wanted) if _place(model) != wanted else model
    elif not isinstance(inputs, Mapping):
        given = to_device(given, _place(model))
    given = check_inputs(model, given)
    parts = _all_parts(model, given, sites, pool, batch_size)
    labels = check_labels(stimuli, _count(given), what="stimuli")
    found = {}
    for site in sites:
        values = _joined(parts[site.name], site.name)
        found[site.name] = Patterns(values, labels, site.name)
    return found


def _default_layers(model: nn.Module) -> Sequence[str | int | Site]:
    """Blocks of a transformer; in other models the maps with weights, in the order of the modules."""
    try:
        return find_sites(model, "residual")
    except InputError:
        maps = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
        found = [name for name, module in model.named_modules() if name and isinstance(module, maps)]
        if not found:
            raise
        return found


def _count(inputs: Inputs) -> int:
    return batch_size(inputs)


def _place(model: nn.Module) -> torch.device:
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def _all_parts(
    model: nn.Module, inputs: Inputs, sites: Sequence[Site], pool: Pool | None, size: int
) -> dict[str, list[np.ndarray]]:
    """Patterns of each layer, batch by batch."""
    parts: dict[str, list[np.ndarray]] = {site.name: [] for site in sites}
    total = _count(inputs)
    with evaluation_mode(model), torch.no_grad():
        for begin in range(0, total, size):
            rows = torch.arange(begin, min(begin + size, total), device=_device_of(inputs))
            batch = select_rows(inputs, rows)
            mask = batch.get("attention_mask") if isinstance(batch, Mapping) else None
            with ExitStack() as stack:
                for site in sites:
                    keep = _listener(parts[site.name], site, len(rows), pool, mask)
                    stack.enter_context(hook_site(model, site, keep))
                model(**batch) if isinstance(batch, Mapping) else model(batch)
            for site in sites:
                _check_reached(parts[site.name], begin // size + 1, site)
    return parts


def _listener(
    kept: list[np.ndarray], site: Site, rows: int, pool: Pool | None, mask: Tensor | None
) -> Callable[[Tensor], Tensor]:
    """Keeps the patterns when the layer answers: a later layer may edit its output in place."""

    def listen(value: Tensor) -> Tensor:
        kept.append(_pooled(value.detach(), site, rows, pool, mask))
        return value

    return listen


def _check_reached(kept: list[np.ndarray], passes: int, site: Site) -> None:
    if len(kept) != passes:
        times = 0 if len(kept) < passes else len(kept) - passes + 1
        raise InputError(
            f"layer {site.name!r} is reached {times} times in one pass; it has no single pattern per stimulus."
        )


def _device_of(inputs: Inputs) -> torch.device:
    return next(iter(inputs.values())).device if isinstance(inputs, Mapping) else inputs.device


def _pooled(value: Tensor, site: Site, rows: int, pool: Pool | None, mask: Tensor | None) -> np.ndarray:
    """One row per stimulus of what a layer carries."""
    if value.ndim == 0 or len(value) != rows:
        raise InputError(
            f"layer {site.name!r} carries shape {tuple(value.shape)} for {rows} stimuli, not one entry for each."
        )
    value = value if value.dtype == torch.float64 else value.float()
    if pool is None:
        if mask is not None and value.ndim == 3 and mask.shape == value.shape[:2] and not bool(mask.all()):
            raise InputError(
                f"layer {site.name!r} carries padding tokens, which are no responses; pass pool='mean' or 'cls'."
            )
        value = value.flatten(1) if value.ndim > 1 else value[:, None]
    elif pool == "cls":
        if value.ndim != 3:
            raise InputError(
                f"layer {site.name!r} carries shape {tuple(value.shape)}, which has no first token."
            )
        value = value[:, 0]
    else:
        value = _mean(value, site, mask)
    array = value.cpu().numpy()
    if not np.isfinite(array).all():
        raise InputError(f"the activity of layer {site.name!r} is not finite.")
    return np.array(array, order="C")  # a copy: the model may reuse its memory


def _mean(value: Tensor, site: Site, mask: Tensor | None) -> Tensor:
    """Mean over tokens, or over the places of a feature map."""
    if value.ndim == 4:
        last = site.width is not None and value.shape[3] == site.width and value.shape[1] != site.width
        return value.mean(dim=(1, 2) if last else (2, 3))
    if value.ndim != 3:
        raise InputError(
            f"layer {site.name!r} carries shape {tuple(value.shape)}, which has no tokens or places to average."
        )
    if mask is None or mask.shape != value.shape[:2]:
        return value.mean(dim=1)
    weight = mask.to(value.dtype)[:, :, None]
    return (value * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)


def _joined(parts: list[np.ndarray], name: str) -> np.ndarray:
    widths = {part.shape[1] for part in parts}
    if len(widths) > 1:
        raise InputError(
            f"layer {name!r} carries {sorted(widths)} values per stimulus in different batches; pass pool='mean'."
        )
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
