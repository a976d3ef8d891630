"""Knock out, amplify or keep only chosen units while a model runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.interpret.path_result import PathResult
from hodology.nn.sites import Site, parse_site
from hodology.nn.taps import hook_site
from hodology.path import PathSet
from hodology.rng import stream

__all__ = ["ablate", "keep_units"]


@contextmanager
def ablate(
    model: nn.Module,
    paths: PathResult | PathSet,
    *,
    factor: float = 0.0,
    positions: Tensor | int | None = None,
) -> Iterator[None]:
    """Multiply the units of paths by `factor` in every forward pass of the block; the rest runs free.

    Parameters
    ----------
    model : nn.Module
        Restored when the block ends, also after an exception.
    paths : PathResult or PathSet
        One path per row of the batches that will run, or a single one for all rows.
    factor : float
        0 removes (the paper's zero-out), 2 enhances (the paper's doubling).
    positions : int or Tensor of int64, shape (rows, positions), optional
        Token positions; default those of the paths (a `PathSet` keeps them in its attribute ``positions``, as
        ``"start:stop"``; without it position 0 is meant).

    Raises
    ------
    UnknownNameError
        When a layer of the paths is not in the model.
    InputError
        During a pass, when rows and paths differ in number or a unit or token is out of range.

    Examples
    --------
    >>> import torch
    >>> from hodology.interpret import NeuronPath
    >>> from hodology.nn.models import VisionTransformer
    >>> model = VisionTransformer(image_size=8, patch_size=2, depth=2, width=16, heads=2, hidden=32).eval()
    >>> x = torch.rand(3, 1, 8, 8)
    >>> result = NeuronPath(model).find(x)
    >>> with ablate(model, result, factor=0.0):
    ...     scores = model(x)
    """
    units, names = _units(paths)
    if positions is None:
        positions = paths.positions if isinstance(paths, PathResult) else _kept_positions(paths)
    with ExitStack() as stack:
        for layer, name in enumerate(names):
            site = parse_site(model, name)
            scale = _Scale(site, units[:, layer], positions, factor)
            stack.enter_context(hook_site(model, site, scale))
        yield


@contextmanager
def keep_units(
    model: nn.Module,
    sites: Sequence[str | Site],
    masks: Sequence[Tensor],
    *,
    share: float = 1.0,
    depth: int | None = None,
    positions: Tensor | int = 0,
    rng: int = 0,
) -> Iterator[None]:
    """Zero a random share of all units that are *not* in the masks, at the given positions.

    Parameters
    ----------
    model : nn.Module
    sites : sequence of str or Site
        Layers in order.
    masks : sequence of bool Tensor, each (rows, units) or (1, units)
        Units to keep, a mask per layer.
    share : float
        Share of the other units that is zeroed, 0 to 1.
    depth : int, optional
        Only the first `depth` layers; None for all.
    positions : int or Tensor of int64, shape (rows, positions)
    rng : int
        Seed of the draw, a stream per layer; all rows of a pass share it, so masks are what differs.
    """
    if not 0.0 <= share <= 1.0:
        raise InputError(f"share must be 0 to 1, got {share}.")
    if len(masks) != len(sites):
        raise InputError(f"masks must be one per layer ({len(sites)}), got {len(masks)}.")
    count = len(sites) if depth is None else depth
    if not 0 <= count <= len(sites):
        raise InputError(f"depth must be 0 to {len(sites)}, got {depth}.")
    with ExitStack() as stack:
        for layer in range(count):
            site = sites[layer]
            site = parse_site(model, site) if isinstance(site, str) else site
            width = masks[layer].shape[-1]
            order = torch.from_numpy(stream(rng, "keep-only", layer).permutation(width))
            hit = torch.zeros(width, dtype=torch.bool)
            hit[order[: round(share * width)]] = True
            drop = ~masks[layer] & hit.to(masks[layer].device)
            stack.enter_context(hook_site(model, site, _Mask(site, drop, positions)))
        yield


class _Edit:
    """Edits a copy of the activity at some positions; subclasses say how."""

    def __init__(self, site: Site, positions: Tensor | int) -> None:
        self.site = site
        self.positions = positions

    def __call__(self, value: Tensor) -> Tensor:
        if value.ndim not in (2, 3):
            raise InputError(
                f"layer {self.site.name!r} must hold (batch, tokens, units), got {tuple(value.shape)}."
            )
        held = (value[:, None] if value.ndim == 2 else value).clone()
        rows = torch.arange(len(held), device=held.device)[:, None]
        where = self._where(held)
        held[rows, where] = self._edited(held[rows, where])
        return held[:, 0] if value.ndim == 2 else held

    def _where(self, held: Tensor) -> Tensor:
        if isinstance(self.positions, Tensor):
            where = self.positions.to(held.device)
            if len(where) == 1:
                where = where.expand(len(held), -1)
            if len(where) != len(held):
                raise InputError(f"positions are for {len(where)} rows, the batch has {len(held)}.")
        else:
            where = torch.full((len(held), 1), self.positions, device=held.device)
        if int(where.max()) >= held.shape[1]:
            raise InputError(
                f"token must be below {held.shape[1]} at {self.site.name!r}, got {int(where.max())}."
            )
        return where

    def _edited(self, picked: Tensor) -> Tensor:
        raise NotImplementedError


class _Scale(_Edit):
    def __init__(self, site: Site, units: Tensor, positions: Tensor | int, factor: float) -> None:
        super().__init__(site, positions)
        self.units = units
        self.factor = factor

    def _edited(self, picked: Tensor) -> Tensor:
        units = self.units.to(picked.device)
        if len(units) not in (1, len(picked)):
            raise InputError(f"paths are for {len(units)} rows, the batch has {len(picked)}.")
        if int(units.max()) >= picked.shape[2]:
            raise InputError(
                f"paths name unit {int(units.max())}, layer {self.site.name!r} has {picked.shape[2]} units."
            )
        factors = torch.ones(len(units), picked.shape[2], dtype=picked.dtype, device=picked.device)
        return picked * factors.scatter(1, units, self.factor)[:, None]


class _Mask(_Edit):
    def __init__(self, site: Site, drop: Tensor, positions: Tensor | int) -> None:
        super().__init__(site, positions)
        self.drop = drop

    def _edited(self, picked: Tensor) -> Tensor:
        drop = self.drop.to(picked.device)
        if len(drop) not in (1, len(picked)) or drop.shape[1] != picked.shape[2]:
            raise InputError(
                f"masks have shape {tuple(drop.shape)}, layer {self.site.name!r} has {len(picked)} rows of "
                f"{picked.shape[2]} units."
            )
        return picked.masked_fill(drop[:, None], 0.0)


def _kept_positions(paths: PathSet) -> Tensor | int:
    texts = paths.attributes.get("positions")
    if not texts:
        return 0
    try:
        ranges = [range(*map(int, str(text).split(":"))) for text in texts]
    except (ValueError, TypeError) as error:
        raise InputError(f"positions of paths must be 'start:stop', got {texts[0]!r}.") from error
    if len({len(r) for r in ranges}) != 1 or not ranges[0]:
        raise InputError("positions of paths must be equally many for all of them; pass positions=.")
    return torch.tensor([list(r) for r in ranges])


def _units(paths: PathResult | PathSet) -> tuple[Tensor, tuple[str, ...]]:
    if isinstance(paths, PathResult):
        return paths.path, paths.sites
    if isinstance(paths, PathSet):
        return torch.from_numpy(np.array(paths.units())), paths.places
    raise InputError(f"paths must be a PathResult or a PathSet, got {type(paths).__name__}.")
