"""Sites: named places in a model where activity can be read and edited.

A site is one side of one module, written ``MODULE:input`` or ``MODULE:output`` (``MODULE`` alone means its
output). `find_sites` finds the usual places by structure, so that it survives renamings between releases of
timm, transformers and torchvision and works on a user's own module:

- ``"ffn"``: the hidden vector of a feed-forward block after its non-linearity, which is the input of the
  down projection (after ``GELU(fc1 x)`` in a ViT or GPT-2, after ``act(gate x) * up x`` in a Llama);
- ``"attention"``: the concatenated head outputs, which is the input of the attention's output projection;
- ``"residual"``: the output of each block; ``"embedding"``: the input of the first block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from torch import nn

from hodology.errors import InputError, UnknownNameError, near_names

__all__ = ["Site", "SiteKind", "find_sites", "parse_site", "resolve_sites", "up_projections"]

SiteKind = Literal["ffn", "attention", "residual", "embedding"]
_SIDES = ("input", "output")
_ATTENTION = re.compile(r"attn|attention|mixer", re.IGNORECASE)


@dataclass(frozen=True)
class Site:
    """One side of one module.

    Attributes
    ----------
    module : str
        Dotted name in ``model.named_modules()``.
    side : {"output", "input"}
        Which side of the module's call is meant.
    kind : str
        ``"ffn"``, ``"attention"``, ``"residual"``, ``"embedding"`` or ``"module"`` for one named by hand.
    width : int or None
        Number of units, when the module's weights tell.
    heads : int or None
        Number of attention heads that share the units, for ``"attention"``.
    """

    module: str
    side: Literal["output", "input"] = "output"
    kind: str = "module"
    width: int | None = None
    heads: int | None = None

    @property
    def name(self) -> str:
        """The site in the grammar that `parse_site` reads."""
        return self.module if self.side == "output" else f"{self.module}:input"

    def __str__(self) -> str:
        return self.name


def find_sites(model: nn.Module, kind: SiteKind = "ffn") -> tuple[Site, ...]:
    """Find all sites of one kind, in the order of the model's layers.

    Parameters
    ----------
    model : nn.Module
        A transformer in the naming of timm, transformers or torchvision, or of the same structure.
    kind : {"ffn", "attention", "residual", "embedding"}
        What to look for (see the module's text).

    Returns
    -------
    tuple of Site
        One a block (a single one for ``"embedding"``).

    Raises
    ------
    InputError
        When the model has no such place; name the modules by hand then (`resolve_sites`).
    UnknownNameError
        When `kind` is not one of the four.
    """
    if kind not in get_args(SiteKind):
        raise UnknownNameError(f"kind {kind!r} is not a kind of site{near_names(kind, get_args(SiteKind))}.")
    pairs = list(_feed_forward_pairs(model))
    if kind == "ffn":
        sites = tuple(Site(down, "input", "ffn", _shape(model, down)[0]) for _, down in pairs)
    elif kind == "attention":
        sites = tuple(_attention_sites(model))
    else:
        blocks = list(dict.fromkeys(_block_of(model, up, down) for up, down in pairs))
        found = [block for block in blocks if block]
        if kind == "embedding":
            sites = tuple(Site(block, "input", "embedding") for block in found[:1])
        else:
            sites = tuple(Site(block, "output", "residual") for block in found)
    if not sites:
        raise InputError(
            f"no {kind} site was found in {type(model).__name__}; pass the module names by hand, for example "
            f"layers={_some_names(model)}."
        )
    return sites


def parse_site(model: nn.Module, name: str) -> Site:
    """Return the site that `name` (``MODULE``, ``MODULE:output`` or ``MODULE:input``) means in `model`.

    Raises
    ------
    UnknownNameError
        When the module does not exist (near names are listed) or the side is neither input nor output.
    """
    module, colon, side = name.partition(":")
    if colon and side not in _SIDES:
        raise UnknownNameError(f"site {name!r} must end in ':input' or ':output', got ':{side}'.")
    try:
        found = model.get_submodule(module) if module else None
    except AttributeError:
        found = None
    if found is None:
        known = [other for other, _ in model.named_modules() if other]
        raise UnknownNameError(f"layer {module!r} is not in this model{near_names(module, known)}.")
    shape = _features(found)
    if side == "input":
        return Site(module, "input", "module", shape[0] if shape else None)
    return Site(module, "output", "module", shape[1] if shape else None)


def resolve_sites(
    model: nn.Module, layers: Sequence[str | int | Site] | None = None, *, units: SiteKind = "ffn"
) -> tuple[Site, ...]:
    """Return the sites that a user's `layers` argument means.

    Parameters
    ----------
    model : nn.Module
    layers : sequence of str, int or Site, optional
        None for all sites of kind `units`; integers pick among these (negative ones from the end); strings
        are site names.
    units : {"ffn", "attention", "residual", "embedding"}
        The kind for None and for integers.

    Raises
    ------
    InputError
        For an empty list, an index out of range or a site named twice.
    UnknownNameError
        For a module that does not exist.
    """
    if layers is None:
        return find_sites(model, units)
    if isinstance(layers, str) or len(layers) == 0:
        raise InputError(f"layers must be a non-empty list of names, indices or sites, got {layers!r}.")
    found = find_sites(model, units) if any(isinstance(layer, int) for layer in layers) else ()
    sites = []
    for layer in layers:
        if isinstance(layer, Site):
            sites.append(parse_site(model, layer.name) if layer.kind == "module" else layer)
        elif isinstance(layer, str):
            known = {site.name: site for site in found}
            sites.append(known.get(layer) or parse_site(model, layer))
        elif -len(found) <= layer < len(found):
            sites.append(found[layer])
        else:
            raise InputError(f"layers has index {layer}, but the model has {len(found)} {units} sites.")
    doubles = {site.name for site in sites if [s.name for s in sites].count(site.name) > 1}
    if doubles:
        raise InputError(f"layers names {sorted(doubles)[0]!r} more than once.")
    return tuple(sites)


def up_projections(model: nn.Module, site: Site) -> tuple[str, ...]:
    """Names of the maps that feed the hidden vector at an ``"ffn"`` site (two in a gated block)."""
    for up, down in _feed_forward_pairs(model):
        if down == site.module:
            ancestor, _ = _common(up, down)
            inside = model.get_submodule(ancestor)
            wanted = _shape(model, down)[::-1]
            return tuple(
                f"{ancestor}.{name}"
                for name, features in _linear_maps(inside)
                if features == wanted and not _ATTENTION.search(name)
            )
    return ()


def _features(module: nn.Module) -> tuple[int, int] | None:
    """Input and output width of a position-wise linear map, None for anything else."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    weight = getattr(module, "weight", None)
    if (
        type(module).__name__ == "Conv1D" and weight is not None and weight.ndim == 2
    ):  # GPT-2 keeps it transposed
        return weight.shape[0], weight.shape[1]
    inner = getattr(module, "base_layer", None)  # adapters such as LoRA wrap the linear map
    return _features(inner) if isinstance(inner, nn.Module) else None


def _shape(model: nn.Module, name: str) -> tuple[int, int]:
    features = _features(model.get_submodule(name))
    if features is None:
        raise InputError(f"module {name!r} is not a linear map.")
    return features


def _linear_maps(model: nn.Module) -> Iterator[tuple[str, tuple[int, int]]]:
    """Names and widths of all linear maps, adapters' inner parts left out."""
    inside: tuple[str, ...] = ()
    for name, module in model.named_modules():
        if any(name.startswith(prefix + ".") for prefix in inside):
            continue
        features = _features(module)
        if features is not None:
            inside = (*inside[-8:], name)
            yield name, features


def _common(first: str, second: str) -> tuple[str, int]:
    """Deepest module that holds both, and how many levels below it the deeper one lies."""
    a, b = first.split("."), second.split(".")
    shared = 0
    while shared < min(len(a), len(b)) - 1 and a[shared] == b[shared]:
        shared += 1
    return ".".join(a[:shared]), max(len(a), len(b)) - shared


def _feed_forward_pairs(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Pairs (up, down) of maps d -> m -> d that lie side by side outside attention."""
    maps = [(n, f) for n, f in _linear_maps(model) if not _ATTENTION.search(n)]
    pairs = []
    used: set[str] = set()
    for index, (down, (inner, outer)) in enumerate(maps):
        for up, features in reversed(maps[max(0, index - 3) : index]):
            ancestor, depth = _common(up, down)
            if features == (outer, inner) and depth <= 2 and up not in used:
                pairs.append((up, down, ancestor))
                used.update((up, down))
                break
    nested = [p for p in pairs if p[2]]
    for up, down, _ in nested or pairs:  # maps at the very root count only when there is nothing else
        yield up, down


def _attention_sites(model: nn.Module) -> Iterator[Site]:
    """The last linear map of every attention module."""
    modules = dict(model.named_modules())
    groups: dict[str, list[str]] = {}
    for name, _ in _linear_maps(model):
        parts = name.split(".")
        inside = [i for i, part in enumerate(parts[:-1]) if _ATTENTION.search(part)]
        if inside:
            groups.setdefault(".".join(parts[: inside[0] + 1]), []).append(name)
    for group, names in groups.items():
        if any(isinstance(m, nn.MultiheadAttention) for m in modules[group].modules()):
            raise InputError(
                f"module {group!r} is a fused nn.MultiheadAttention: its head outputs cannot be reached; "
                "use units='residual' or name other modules."
            )
        width = _shape(model, names[-1])[0]
        yield Site(names[-1], "input", "attention", width, _head_count(model, modules[group]))


def _head_count(model: nn.Module, attention: nn.Module) -> int | None:
    configs = [m.config for m in (attention, model) if hasattr(m, "config")]
    for holder in [*attention.modules(), *configs]:
        for attribute in ("num_heads", "n_heads", "num_attention_heads", "n_head"):
            value = getattr(holder, attribute, None)
            if isinstance(value, int):
                return value
    return None


def _block_of(model: nn.Module, up: str, down: str) -> str:
    """The member of the model's list of blocks that holds this feed-forward pair ('' when there is none)."""
    name, _ = _common(up, down)
    while name:
        parent = name.rpartition(".")[0]
        holder = model.get_submodule(parent)
        if isinstance(holder, (nn.ModuleList, nn.Sequential, nn.ModuleDict)):
            return name
        name = parent
    return ""


def _some_names(model: nn.Module) -> list[str]:
    names = [name for name, module in model.named_modules() if name and not list(module.children())]
    return names[:3]
