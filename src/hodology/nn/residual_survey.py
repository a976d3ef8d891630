"""Where the residual stream of a transformer runs, found by what happens in three small passes, without names.

A pre-norm block reads its input only through norms and adds what its branches return:

1. A plain pass notes what enters and leaves every module.
2. A pass in which the stream is shifted where it begins, while every norm returns what it returned before. What
   moves by exactly this shift is the stream, and each norm that reads it opens a branch. In a post-norm model
   nothing moves behind the first norm; where the stream is scaled, cut or read otherwise, something else moves.
3. A pass that is differentiated by the norms' outputs: a branch that mixes tokens is attention, one that does not
   is a feed-forward branch.

At most two rows are used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.nn.forward import Inputs, batch_size, last_positions, select_rows
from hodology.nn.sites import Site, find_sites, parse_site
from hodology.nn.taps import evaluation_mode
from hodology.nn.watched_pass import WatchedPass, same_tensor
from hodology.rng import torch_stream

__all__ = ["BranchKind", "Call", "StreamBlock", "Survey", "survey_stream"]

BranchKind = Literal["attention", "ffn"]
_ATTEMPTS = 12  # there may be norms of patches and of the embedding before the stream begins
_MIXES = re.compile(r"attn|attention|mixer", re.IGNORECASE)


@dataclass(frozen=True)
class StreamBlock:
    """A module whose input and output are the stream.

    Attributes
    ----------
    module : str
    start, stop : int
        The point of the stream that it takes and the one that it returns.
    """

    module: str
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a module behind the stream's end.

    Attributes
    ----------
    module : str
    entered : Tensor or None
        What it took, where that is one vector per row or tokens of the stream's width.
    pools : bool
        It took tokens and returned one vector per row.
    """

    module: str
    entered: Tensor | None
    pools: bool


@dataclass(frozen=True, eq=False)
class Survey:
    """What the passes found.

    Attributes
    ----------
    points : tuple of Site
        Where the stream is read. Point i is the sum of the first i + 1 components: points 0 to P - 2 are the
        inputs of the norms that open the branches, point P - 1 is what the head reads.
    order : dict of Site to tuple of int
        Which points the successive calls of a place in one pass are.
    kinds : tuple of str
        Kind of the branch behind each point but the last.
    downs : tuple of str or None
        Last linear map of each branch.
    blocks : tuple of StreamBlock
        Modules that tile the stream; empty when the stream is not built of modules.
    final_norm : str or None
        The norm of all tokens at the stream's end.
    after : tuple of Call
        What is called behind the stream's end, in order; calls inside others only where those pool.
    end : Tensor, shape (rows, tokens, width)
        The stream's end for the few rows.
    scores : Tensor, shape (rows, classes)
    few : Tensor or mapping of Tensors
        These rows.
    """

    points: tuple[Site, ...]
    order: dict[Site, tuple[int, ...]]
    kinds: tuple[BranchKind, ...]
    downs: tuple[str | None, ...]
    blocks: tuple[StreamBlock, ...]
    final_norm: str | None
    after: tuple[Call, ...]
    end: Tensor = field(repr=False)
    scores: Tensor = field(repr=False)
    few: Inputs = field(repr=False)


def survey_stream(model: nn.Module, inputs: Inputs) -> Survey:
    """Find the residual stream of `model` (see the module's text).

    Parameters
    ----------
    model : nn.Module
        Left as it is.
    inputs : Tensor or mapping of Tensors
        Inputs it takes; at most two rows are used.

    Raises
    ------
    InputError
        When there is no such stream (post-norm), when it holds only some of the blocks, or when attention and
        feed-forward run in parallel.
    """
    first = inputs if isinstance(inputs, Tensor) else next(iter(inputs.values()))
    few = select_rows(inputs, torch.arange(min(2, batch_size(inputs)), device=first.device))
    with evaluation_mode(model):
        with torch.no_grad():
            plain = WatchedPass(model, few)
            found = _find_stream(model, few, plain)
        points = _group(model, plain, found)
        end = _tensor(plain, points[-1][-1])
        kinds = _kinds(model, few, plain, points)
    _check_blocks(model, kinds)
    order: dict[Site, list[int]] = {}
    for number, point in enumerate(points):
        for index in point:
            order.setdefault(_site(plain, index), []).append(number)
    last = points[-1][-1]
    final = plain.events[last].module if plain.events[last].opens else None
    spans = [(a[-1], b[0]) for a, b in zip(points, points[1:])]
    return Survey(
        points=tuple(_site(plain, point[0]) for point in points),
        order={site: tuple(numbers) for site, numbers in order.items()},
        kinds=kinds,
        downs=tuple(_last_linear(model, plain, a, b, end.shape[-1]) for a, b in spans),
        blocks=_blocks(plain, found, points),
        final_norm=final,
        after=tuple(_after(plain, plain.ends[last] if final else last)),
        end=end,
        scores=plain.scores,
        few=few,
    )


def _find_stream(model: nn.Module, few: Inputs, plain: WatchedPass) -> list[int]:
    """Events at which the stream is seen."""
    tried: set[tuple[int, int]] = set()
    for first in plain.norm_inputs():
        hold_from = plain.norm_call(first)
        for entry in _entries(plain, first):
            if (entry, hold_from) in tried or len(tried) == _ATTEMPTS:
                continue
            tried.add((entry, hold_from))
            size = float(_tensor(plain, first).square().mean().sqrt().clamp(min=1e-3))
            held = {call: plain.norm_outputs[call] for call in range(hold_from, len(plain.norm_outputs))}
            moved = WatchedPass(model, few, shift=(entry, size), held=held)
            found = _moved_alike(plain, moved, first)
            if sum(plain.events[i].opens for i in found) >= 2:
                return found
    raise InputError(
        f"no residual stream was found in {type(model).__name__}: with its norms held, a shift of the stream does not "
        "arrive unchanged behind its blocks. Post-norm models (as BERT), norms that are no modules, and blocks that "
        "scale, cut or read the stream without a norm are not accepted: the rewrite is not exact for them."
    )


def _entries(plain: WatchedPass, first: int) -> Iterator[int]:
    """Events that can shift the stream: where its first point is seen first, else the first activity of all."""
    start = plain.events[first].tensor
    yield next(i for i, event in enumerate(plain.events) if same_tensor(event.tensor, start))
    yield from [i for i, event in enumerate(plain.events[:first]) if event.ndim][:1]


def _moved_alike(plain: WatchedPass, moved: WatchedPass, first: int) -> list[int]:
    """Events whose tensor moved by what the first point moved, at all tokens."""
    if [(e.module, e.side) for e in plain.events] != [(e.module, e.side) for e in moved.events]:
        return []
    start = _tensor(plain, first)
    shift = _tensor(moved, first) - start
    if not bool((shift.abs().amax(dim=-1) > 0).all()):
        return []
    size = float(shift.square().mean().sqrt())
    found = []
    for index, (event, other) in enumerate(zip(plain.events, moved.events)):
        before, after = event.tensor, other.tensor
        if before is None or after is None or before.shape != start.shape:
            continue
        if index < first and not torch.equal(before, start):
            continue
        noise = 64 * torch.finfo(before.dtype).eps * (before.abs() + start.abs() + shift.abs())
        if bool(((after - before - shift).abs() <= 1e-3 * size + noise).all()):
            found.append(index)
    return found


def _group(model: nn.Module, plain: WatchedPass, found: list[int]) -> list[list[int]]:
    """Events of each point of the stream in order; a norm that is called twice on a point is one reader."""
    groups: list[list[int]] = []
    for index in found:
        event = plain.events[index]
        if not event.opens:
            continue
        known = plain.events[groups[-1][-1]] if groups else None
        if known is None or known.identity != event.identity:
            groups.append([index])
        elif known.module == event.module:
            groups[-1].append(index)
        else:
            raise InputError(
                f"norms {known.module!r} and {event.module!r} read the same point of the stream: attention and "
                f"feed-forward run in parallel in {type(model).__name__}, so their branches cannot be told apart."
            )
    if found[-1] > groups[-1][-1]:  # the stream goes on behind the last norm that reads all tokens
        groups.append([found[-1]])
    return groups


def _kinds(
    model: nn.Module, few: Inputs, plain: WatchedPass, points: list[list[int]]
) -> tuple[BranchKind, ...]:
    """A branch is attention when what it adds at the last token depends on its input at other tokens."""
    end = points[-1][-1]
    tokens = _tensor(plain, end).shape[1]
    spans = [(a[-1], b[0]) for a, b in zip(points, points[1:])]
    if tokens == 1:  # nothing can mix, so names must do
        return tuple(_kind_by_name(plain, *span) for span in spans)
    calls = [[plain.norm_call(index) for index in point] for point in points[:-1]]
    leaves = {c: plain.norm_outputs[c].clone().requires_grad_() for branch in calls for c in branch}
    last = last_positions(few, tokens)
    rows = torch.arange(len(last), device=last.device)
    with torch.enable_grad():
        traced = _tensor(WatchedPass(model, few, held=leaves, graph=end), end)
        weight = torch.randn(traced.shape[-1], generator=torch_stream(0, "kinds")).to(traced)
        gradients = torch.autograd.grad(
            (traced[rows, last] @ weight).sum(), list(leaves.values()), allow_unused=True
        )
    reaches = {
        call: gradient.abs().amax(dim=-1) > 0
        for call, gradient in zip(leaves, gradients)
        if gradient is not None and bool(gradient.any())
    }
    kinds: list[BranchKind] = []
    for branch, (begin, stop) in zip(calls, spans):
        read = [reaches[call] for call in branch if call in reaches]
        if not read:  # a branch times zero, at the start of some trainings
            kinds.append(_kind_by_name(plain, begin, stop))
            continue
        both = torch.stack(read).any(dim=0)
        both[rows, last] = False
        kinds.append("attention" if bool(both.any()) else "ffn")
    return tuple(kinds)


def _kind_by_name(plain: WatchedPass, start: int, stop: int) -> BranchKind:
    names = {event.module.rpartition(".")[2] for event in plain.events[start:stop]}
    return "attention" if any(_MIXES.search(name) for name in names) else "ffn"


def _check_blocks(model: nn.Module, kinds: tuple[BranchKind, ...]) -> None:
    """Refuse a stream that misses blocks, where blocks can be counted."""
    try:
        blocks = len(find_sites(model, "residual"))
    except InputError:
        return
    found = kinds.count("ffn")
    if found != blocks:
        raise InputError(
            f"{type(model).__name__} has {blocks} blocks, but {found} feed-forward branches lie on one residual stream: "
            "it changes its width on the way, or attention and feed-forward run in parallel. The rewrite is not exact."
        )


def _blocks(plain: WatchedPass, found: list[int], points: list[list[int]]) -> tuple[StreamBlock, ...]:
    """The innermost modules that take and return the stream and hold branches, when they tile it."""
    lie, last = set(found), len(points) - 1
    spans = []
    for start, end in plain.ends.items():
        inside = [number for number, point in enumerate(points[:-1]) if start < point[0] < end]
        if start in lie and end in lie and inside:
            spans.append((start, end, inside))
    tiles = []
    for start, end, inside in sorted(spans):
        if not any(start < s and e < end for s, e, _ in spans):
            tiles.append(StreamBlock(plain.events[start].module, inside[0], inside[-1] + 1))
    whole = bool(tiles) and tiles[0].start == 0 and tiles[-1].stop == last
    joined = all(a.stop == b.start for a, b in zip(tiles, tiles[1:]))
    once = len({tile.module for tile in tiles}) == len(tiles)
    return tuple(tiles) if whole and joined and once else ()


def _after(plain: WatchedPass, last: int) -> Iterator[Call]:
    """Calls behind event `last`; a call that pools is followed by the calls inside it."""
    spans = sorted((start, end) for start, end in plain.ends.items() if start > last)
    until = last
    for start, end in spans:
        if start > until:
            event = plain.events[start]
            pools = event.ndim == 3 and plain.events[end].ndim == 2
            yield Call(event.module, event.tensor, pools)
            until = start if pools else end


def _last_linear(model: nn.Module, plain: WatchedPass, start: int, stop: int, width: int) -> str | None:
    found = None
    for event in plain.events[start:stop]:
        if event.side == "output" and isinstance(model.get_submodule(event.module), nn.MultiheadAttention):
            found = f"{event.module}.out_proj"  # used without being called
        elif event.side == "output" and parse_site(model, event.module).width == width:
            found = event.module
    return found


def _tensor(plain: WatchedPass, index: int) -> Tensor:
    tensor = plain.events[index].tensor
    if tensor is None:
        raise InputError(f"module {plain.events[index].module!r} carries no tokens.")
    return tensor


def _site(plain: WatchedPass, index: int) -> Site:
    return Site(plain.events[index].module, plain.events[index].side)
