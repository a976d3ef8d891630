"""What a direction over hidden units writes: through the down projection, the norm behind it, and the unembedding.

A direction z over the units of a feed-forward block adds ``f = norm_post(W_out z / ||z||)`` to the residual stream. W_out
is taken without its bias; norm_post is there only in models that norm what the block adds (Gemma 2 and 3, OLMo 2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.interpret.text_inputs import takes_mask
from hodology.nn.prefix import is_position_wise
from hodology.nn.sites import Site, parse_site
from hodology.nn.taps import evaluation_mode, record
from hodology.nn.watched_pass import is_norm

__all__ = ["Unembedding", "find_unembedding", "output_site", "unit_directions", "write_out"]

_POST_NORM = re.compile(r"post_?(feed_?forward|ffw?|mlp)_?(layer)?_?norm", re.IGNORECASE)
_HEADS = ("lm_head", "embed_out", "unembed", "output_projection", "head")


def unit_directions(directions: Any, width: int | None = None) -> Tensor:
    """Directions as a float32 tensor ``(k, units)`` on the CPU, rows of unit norm; rows of zeros stay.

    Raises
    ------
    InputError
        For what is not one or more finite vectors of `width` units.
    """
    value = (
        directions.detach().cpu()
        if isinstance(directions, Tensor)
        else torch.as_tensor(np.asarray(directions))
    )
    if value.ndim not in (1, 2) or value.numel() == 0 or value.is_complex():
        raise InputError(f"directions must be (k, units) or (units,), got shape {tuple(value.shape)}.")
    value = torch.atleast_2d(value).double()
    if width is not None and value.shape[1] != width:
        raise InputError(
            f"directions must have {width} units (columns) for this layer, got shape {tuple(value.shape)}."
        )
    if not bool(torch.isfinite(value).all()):
        row = int((~torch.isfinite(value).all(dim=1)).nonzero()[0])
        raise InputError(
            f"directions must be finite, got {value[row][~torch.isfinite(value[row])][0]} in row {row}."
        )
    norm = torch.linalg.vector_norm(value, dim=1, keepdim=True)
    return (value / torch.where(norm > 0, norm, 1.0)).float()


def write_out(model: nn.Module, site: Site, directions: Tensor) -> Tensor:
    """What unit directions ``(k, units)`` add to the residual stream, float32 ``(k, width)``, where the model lies.

    For a site that is no input of a linear map the directions live in the stream already, and come back as they are.
    """
    device = next(model.parameters()).device
    directions = directions.to(device)
    down = _down_projection(model, site)
    if down is None:
        return directions
    with torch.no_grad():
        written = _without_bias(down, directions)
        norm = _post_norm(model, site)
        if norm is None:
            return written
        module = model.get_submodule(norm)
        return module.forward(written.to(_dtype(module))).float()


def output_site(model: nn.Module, site: Site) -> Site:
    """Where what `write_out` returns is added: behind the down projection and the norm that follows it.

    Raises
    ------
    InputError
        When the layer is not the input of a linear map.
    """
    if _down_projection(model, site) is None:
        raise InputError(
            f"layer {site.name!r} is not the input of a linear map; only what enters a down projection has an output."
        )
    return parse_site(model, _post_norm(model, site) or site.module)


@dataclass(frozen=True, eq=False)
class Unembedding:
    """From the end of the residual stream to the scores of the vocabulary.

    Attributes
    ----------
    norm : str or None
        Name of the final norm.
    head : nn.Module
        The map to the vocabulary.
    """

    norm: str | None
    head: nn.Module

    def logits(self, model: nn.Module, vectors: Tensor, *, relative: bool) -> Tensor:
        """Scores ``(k, vocabulary)`` of vectors ``(k, width)``, float32; `relative` to those of the zero vector."""
        with evaluation_mode(model), torch.no_grad():
            scores = self._scores(model, vectors)
            return scores - self._scores(model, torch.zeros_like(vectors[:1])) if relative else scores

    def _scores(self, model: nn.Module, vectors: Tensor) -> Tensor:
        if self.norm is not None:
            norm = model.get_submodule(self.norm)
            vectors = norm.forward(vectors.to(_dtype(norm)))
        return self.head.forward(vectors.to(_dtype(self.head))).float()


def find_unembedding(model: nn.Module) -> Unembedding:
    """Find the final norm and the unembedding of a language model, and see in a pass that one feeds the other.

    Raises
    ------
    InputError
        When the model has no unembedding, or something else lies between its last block and the head.
    """
    head = _head(model)
    name = next((name for name, module in model.named_modules() if module is head), None)
    block = _last_block(model)
    if name is None or block is None:
        what = "the unembedding is none of its modules" if name is None else "it has no list of blocks"
        raise InputError(f"the end of {type(model).__name__}'s residual stream was not found: {what}.")
    blocks, entered = block.rpartition(".")[0] + ".", f"{name}:input"
    norms = [n for n, m in model.named_modules() if is_norm(n, m) and not n.startswith(blocks)]
    watched = [block, entered, *(side for norm in norms for side in (f"{norm}:input", norm))]
    with evaluation_mode(model), torch.no_grad(), record(model, watched) as seen:
        _run_few(model)
    if _same_last(seen.get(block), seen.get(entered)):
        return Unembedding(None, head)
    for norm in norms:
        before = _same_last(seen.get(block), seen.get(f"{norm}:input"))
        if before and _same_last(seen.get(norm), seen.get(entered)):
            return Unembedding(norm, head)
    raise InputError(
        f"the head {name!r} of {type(model).__name__} does not read the last block {block!r} through one norm, so that a "
        "direction has no scores of its own."
    )


def _head(model: nn.Module) -> nn.Module:
    getter = getattr(model, "get_output_embeddings", None)
    found = getter() if callable(getter) else None
    if found is None:
        found = next(
            (getattr(model, n) for n in _HEADS if isinstance(getattr(model, n, None), nn.Linear)), None
        )
    if found is None:
        raise InputError(
            f"{type(model).__name__} has no unembedding; load the model with its language-model head "
            "(AutoModelForCausalLM), or read the feature by its contexts alone."
        )
    return found


def _last_block(model: nn.Module) -> str | None:
    """The last member of the largest list of modules."""
    lists = [
        (sum(p.numel() for p in module.parameters()), name)
        for name, module in model.named_modules()
        if name and isinstance(module, (nn.ModuleList, nn.Sequential)) and len(module)
    ]
    if not lists:
        return None
    name = max(lists)[1]
    return f"{name}.{len(model.get_submodule(name)) - 1}"  # type: ignore[arg-type]


def _run_few(model: nn.Module) -> None:
    ids = torch.tensor([[0, 1]], device=next(model.parameters()).device)
    if not hasattr(model, "config"):
        model(ids)
    elif takes_mask(model):
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    else:
        model(input_ids=ids)


def _same_last(before: Tensor | None, after: Tensor | None) -> bool:
    """Whether the last token left one module as it entered the next; heads may be given fewer tokens."""
    if before is None or after is None:
        return False
    return before.shape[-1] == after.shape[-1] and bool(torch.equal(before[..., -1, :], after[..., -1, :]))


def _down_projection(model: nn.Module, site: Site) -> nn.Module | None:
    """The linear map that the layer enters."""
    return model.get_submodule(site.module) if site.side == "input" and site.width is not None else None


def _without_bias(down: nn.Module, directions: Tensor) -> Tensor:
    if is_position_wise(down):
        weight = down.get_parameter("weight").float()
        return directions @ (weight.T if isinstance(down, nn.Linear) else weight)
    cast = directions.to(_dtype(down))  # adapters and quantised maps: their own difference to zero
    return (down.forward(cast) - down.forward(torch.zeros_like(cast[:1]))).float()


def _post_norm(model: nn.Module, site: Site) -> str | None:
    """Name of the norm that the feed-forward block's output passes before it is added to the stream."""
    holder = site.module.rpartition(".")[0]
    while holder:
        for name, child in model.get_submodule(holder).named_children():
            if _POST_NORM.fullmatch(name) and is_norm(name, child):
                return f"{holder}.{name}"
        holder = holder.rpartition(".")[0]
    return None


def _dtype(module: nn.Module) -> torch.dtype:
    floating: Sequence[Tensor] = [p for p in module.parameters() if p.is_floating_point()]
    return floating[0].dtype if floating else torch.float32
