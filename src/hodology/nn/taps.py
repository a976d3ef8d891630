"""Taps: record and edit activity at sites with plain forward hooks.

Both are context managers. Hooks are removed when the block ends, also after an exception, and the model's own
numbers are never changed. Edits nest: they apply in the order in which they were entered, and a recorder sees
what the edits entered before it made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.nn.sites import Site, parse_site

__all__ = ["Edit", "Recording", "edit", "evaluation_mode", "hook_site", "record"]

Edit = Callable[[Tensor], Tensor]


class Recording(dict[str, Tensor]):
    """Activity by site name, as of the latest forward pass.

    Attributes
    ----------
    calls : dict of str to int
        How often each site was reached since the block was entered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, int] = {}


@contextmanager
def record(model: nn.Module, sites: Sequence[Site | str], *, detach: bool = True) -> Iterator[Recording]:
    """Record the activity at `sites` during the forward passes of the block.

    Parameters
    ----------
    model : nn.Module
    sites : sequence of Site or str
        Where to listen; names follow the grammar of `hodology.nn.sites`.
    detach : bool
        Detach from the autograd graph. With False the tensors keep their graph and can be differentiated.

    Yields
    ------
    Recording
        Tensors as the module passed them, usually ``(batch, tokens, units)``; not copied, so clone what you
        keep if the model edits in place.

    Raises
    ------
    UnknownNameError
        When a module does not exist.
    InputError
        During the pass, when a site carries no tensor.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    >>> with record(model, ["1"]) as activity:
    ...     _ = model(torch.ones(4, 2))
    >>> activity["1"].shape
    torch.Size([4, 3])
    """
    recording = Recording()

    def listener(name: str) -> Edit:
        def listen(value: Tensor) -> Tensor:
            recording[name] = value.detach() if detach else value
            recording.calls[name] = recording.calls.get(name, 0) + 1
            return value

        return listen

    with ExitStack() as stack:
        for site in _resolve(model, sites):
            stack.enter_context(hook_site(model, site, listener(site.name)))
        yield recording


@contextmanager
def edit(model: nn.Module, edits: Mapping[Site | str, Edit]) -> Iterator[None]:
    """Replace the activity at sites by a function of it during the forward passes of the block.

    Parameters
    ----------
    model : nn.Module
    edits : mapping of Site or str to callable
        Each callable gets the tensor at its site and returns one of the same shape. It must not edit in
        place.

    Raises
    ------
    UnknownNameError
        When a module does not exist.
    InputError
        During the pass, when a callable returns another shape or no tensor.
    """
    with ExitStack() as stack:
        for site, function in zip(_resolve(model, list(edits)), edits.values(), strict=True):
            stack.enter_context(hook_site(model, site, function))
        yield


@contextmanager
def hook_site(model: nn.Module, site: Site, function: Edit) -> Iterator[None]:
    """Pass the tensor at `site` through `function` while the block runs; the basis of `record` and `edit`."""
    module = model.get_submodule(site.module)

    def changed(value: Tensor) -> Tensor:
        result = function(value)
        if result is not value and (not isinstance(result, Tensor) or result.shape != value.shape):
            got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise InputError(f"the edit at {site.name!r} must return shape {tuple(value.shape)}, got {got}.")
        return result

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for index, value in enumerate(args):
            if isinstance(value, Tensor):
                return (*args[:index], changed(value), *args[index + 1 :]), kwargs
        for key, value in kwargs.items():
            if isinstance(value, Tensor) and value.is_floating_point():
                return args, {**kwargs, key: changed(value)}
        raise InputError(f"site {site.name!r} carries no tensor.")

    def after(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if isinstance(output, Tensor):
            return changed(output)
        if isinstance(output, (tuple, list)) and output and isinstance(output[0], Tensor):
            return type(output)([changed(output[0]), *output[1:]])
        raise InputError(
            f"site {site.name!r} carries {type(output).__name__}, not a tensor or a tuple that begins with one."
        )

    if site.side == "input":
        handle = module.register_forward_pre_hook(before, with_kwargs=True)
    else:
        handle = module.register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Set every module to eval and every parameter to no gradient; restore both when the block ends."""
    training = [module for module in model.modules() if module.training]
    learning = [p for p in model.parameters() if p.requires_grad]
    try:
        for module in training:
            module.training = False
        for parameter in learning:
            parameter.requires_grad = False
        with torch.inference_mode(mode=False):
            yield
    finally:
        for module in training:
            module.training = True
        for parameter in learning:
            parameter.requires_grad = True


def _resolve(model: nn.Module, sites: Sequence[Site | str]) -> list[Site]:
    return [parse_site(model, s) if isinstance(s, str) else _checked(model, s) for s in sites]


def _checked(model: nn.Module, site: Site) -> Site:
    try:
        model.get_submodule(site.module)
    except AttributeError:
        parse_site(model, site.name)  # says which name is missing, and near ones
        raise
    return site
