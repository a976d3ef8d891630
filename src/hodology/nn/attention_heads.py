"""The heads of attention branches, each as a term of the residual stream.

The out-projection of an attention branch reads its heads side by side, z = [z_1 ... z_H], and what the branch adds to
the stream is, with the factor g of the branch (LayerScale, one number per channel, often none),

    A = sum_h g W_O[:, h] z_h + g b

so that head h contributes g W_O[:, h] z_h; the bias is no head's and stays with the stream. g is found by
differentiating the stream by the projection's output, and the sum is verified on a few rows: no family is known here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.nn.forward import call_model
from hodology.nn.prefix import is_position_wise
from hodology.nn.residual import ResidualStream
from hodology.nn.sites import Site, find_sites
from hodology.nn.taps import evaluation_mode, hook_site
from hodology.rng import torch_stream

__all__ = ["AttentionHeads", "find_heads"]


@dataclass(frozen=True, eq=False)
class AttentionHeads:
    """The heads of one attention branch.

    Attributes
    ----------
    component : int
        Number of the branch among the components of the stream.
    site : Site
        Where the head outputs lie side by side, ``(batch, tokens, heads * size)``.
    heads : int
    weight : Tensor, shape (heads * size, width)
        The out-projection, transposed, with the branch's factor.
    constant : Tensor, shape (width,)
        What the branch adds when all heads are silent.
    """

    component: int
    site: Site
    heads: int
    weight: Tensor = field(repr=False)
    constant: Tensor = field(repr=False)

    def units(self, head: int) -> slice:
        """Where a head's outputs lie at the site."""
        size = len(self.weight) // self.heads
        return slice(head * size, (head + 1) * size)

    def contribution(self, values: Tensor, head: int) -> Tensor:
        """What a head adds to the stream ``(..., width)``, of values at the site ``(..., heads * size)``."""
        own = self.units(head)
        return values[..., own] @ self.weight[own]


def find_heads(stream: ResidualStream) -> dict[int, AttentionHeads]:
    """The heads of every attention branch, by the branch's number among the components.

    Parameters
    ----------
    stream : ResidualStream

    Raises
    ------
    InputError
        When the head outputs cannot be reached (fused attention, unknown names), when a branch has none or several
        places of heads, or when what it adds is not its heads through the out-projection.
    """
    try:
        sites = find_sites(stream.model, "attention")
    except InputError as error:
        raise InputError(f"{str(error).partition(';')[0]}.") from error
    with evaluation_mode(stream.model):
        look = _Look(stream, sites)
        return {component: _checked(stream, look, component) for component in look.of}


class _Look:
    """A pass over few rows that cuts the graph at every out-projection and asks what reaches the stream behind it."""

    def __init__(self, stream: ResidualStream, sites: tuple[Site, ...]) -> None:
        self.stream = stream
        self.of: dict[int, Site] = {}
        self.values: dict[Site, Tensor] = {}
        self.points: list[Tensor] = []
        self.factors: dict[int, Tensor | None] = {}
        self._leaves: dict[Site, Tensor] = {}
        model = stream.model
        with torch.enable_grad(), ExitStack() as stack:
            for site in sites:
                stack.enter_context(hook_site(model, site, self._taken(site)))
                stack.enter_context(hook_site(model, Site(site.module), self._given(site)))
            stack.enter_context(stream.visiting(self._visit))
            call_model(model, stream.survey.few)
        branches = [i for i, component in enumerate(stream.components) if component.kind == "attention"]
        missing = [stream.names[i] for i in branches if i not in self.of]
        if missing:
            raise InputError(
                f"no place of heads was found in {missing[0]} of {type(model).__name__}: its output projection is not "
                "known by name or structure."
            )
        self.of = {component: self.of[component] for component in branches}

    def _taken(self, site: Site) -> Callable[[Tensor], Tensor]:
        def taken(value: Tensor) -> Tensor:
            component = len(self.points)
            if site in self.values or component in self.of:
                raise InputError(
                    f"{self.stream.names[component]} has several places of heads, or shares {site.module!r} with another "
                    "branch; its heads cannot be told apart."
                )
            self.of[component] = site
            self.values[site] = value.detach().clone()
            return value

        return taken

    def _given(self, site: Site) -> Callable[[Tensor], Tensor]:
        def given(value: Tensor) -> Tensor:
            self._leaves[site] = value.detach().clone().requires_grad_()
            return self._leaves[site]

        return given

    def _visit(self, point: int, value: Tensor) -> Tensor:
        if point == len(self.points):
            self.points.append(value.detach().clone())
            site = self.of.get(point)
            if site is not None:
                self.factors[point] = _factor(value, self._leaves[site])
        return value.clone()


def _factor(stream: Tensor, given: Tensor) -> Tensor | None:
    """Factor per channel between a projection's output and the stream; None when there is no such thing."""
    if given.shape != stream.shape or not stream.requires_grad:
        return None
    found = []
    for draw in range(2):  # random signs tell a factor of its own channel from a mixture of channels
        noise = torch.rand(stream.shape, generator=torch_stream(0, "signs", draw))
        signs = torch.where(noise < 0.5, -1.0, 1.0).to(stream)
        (gradient,) = torch.autograd.grad((stream * signs).sum(), given, retain_graph=True, allow_unused=True)
        if gradient is None:
            return None
        found.append(gradient * signs)
    both = torch.stack(found).flatten(0, -2)
    factor = both[0].clone()
    slack = 1e-5 * float(factor.abs().amax())
    return factor if bool(((both - factor).abs() <= slack).all()) else None


def _checked(stream: ResidualStream, look: _Look, component: int) -> AttentionHeads:
    """The heads of a branch, when they add up to it."""
    site, factor = look.of[component], look.factors[component]
    name, values = stream.names[component], look.values[site]
    if not site.heads or site.heads < 1 or values.shape[-1] % site.heads:
        raise InputError(
            f"the number of heads of {name} ({site.module!r}) is not known or does not divide its {values.shape[-1]} "
            "outputs."
        )
    refused = InputError(
        f"{name} is not the sum of its heads through {site.module!r}: something else acts between it and the stream."
    )
    if factor is None:
        raise refused
    module = stream.model.get_submodule(site.module)
    with torch.no_grad():
        weight, bias = _linear(module, values)
        heads = AttentionHeads(component, site, site.heads, weight * factor, bias * factor)
        added = look.points[component] - look.points[component - 1]
        error = (added - values @ heads.weight - heads.constant).abs().amax()
        rounding = 64 * torch.finfo(added.dtype).eps * look.points[component].abs().amax()
    if not float(error) <= 1e-4 * float(added.abs().amax()) + float(rounding):
        raise refused
    return heads


def _linear(module: nn.Module, values: Tensor) -> tuple[Tensor, Tensor]:
    """Weight ``(inputs, outputs)`` and bias of a linear map; of adapters by trying."""
    width = values.shape[-1]
    bias = module(values.new_zeros(1, 1, width))[0, 0]
    if not is_position_wise(module):
        return module(torch.eye(width).to(values)[None])[0] - bias, bias
    weight = module.get_parameter("weight").detach()
    return weight.T if isinstance(module, nn.Linear) else weight, bias
