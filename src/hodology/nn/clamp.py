"""Hold a site at given values at some token positions, and read it there."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.nn.prefix import is_position_wise, linear_map
from hodology.nn.sites import Site
from hodology.nn.taps import hook_site

__all__ = ["clamp_site", "pick"]


def clamp_site(model: nn.Module, site: Site, value: Tensor, positions: Tensor | None) -> ExitStack:
    """Context in which `site` holds `value` ``(rows, positions, units)`` at `positions`, else what is computed.

    At the input of a position-wise map only the edited positions are mapped again and put into its output,
    which copies (and differentiates) the narrow side of the feed-forward block instead of the wide one.
    """
    module = model.get_submodule(site.module)
    stack = ExitStack()
    if positions is not None and site.side == "input" and is_position_wise(module):

        def put_mapped(output: Tensor) -> Tensor:
            return _put(output, linear_map(module, value), positions)

        stack.enter_context(hook_site(model, replace(site, side="output"), put_mapped))
    elif positions is None:
        stack.enter_context(hook_site(model, site, lambda old: value.reshape(old.shape)))
    else:
        stack.enter_context(hook_site(model, site, lambda old: _put(old, value, positions)))
    return stack


def _put(old: Tensor, new: Tensor, positions: Tensor) -> Tensor:
    if old.ndim == 2:
        return new[:, 0]
    if positions.shape[1] == 1 and not positions.any():  # the class token: one block copy each way
        return torch.cat([new, old[:, 1:]], dim=1)
    rows = torch.arange(len(old), device=old.device)[:, None]
    return old.index_put((rows, positions), new.to(old.dtype))


def pick(value: Tensor, positions: Tensor | None, site: Site, rows: int) -> Tensor:
    """Values at the positions, shape ``(batch, positions, units)``; ``(batch, units)`` counts as one token."""
    if value.ndim not in (2, 3) or len(value) != rows:
        raise InputError(
            f"layer {site.name!r} must hold a (batch, tokens, units) tensor of {rows} rows, got shape "
            f"{tuple(value.shape)}."
        )
    if value.ndim == 2:
        value = value[:, None]
        positions = None if positions is None else torch.zeros_like(positions[:, :1])
    if positions is None:
        return value
    if int(positions.max()) >= value.shape[1] or int(positions.min()) < 0:
        raise InputError(
            f"token must be 0 to {value.shape[1] - 1} at layer {site.name!r}, got {int(positions.max())}."
        )
    return value[torch.arange(rows, device=value.device)[:, None], positions]
