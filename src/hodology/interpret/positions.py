"""Which token positions of a transformer count: the class token, all patches, the last word."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.nn.forward import Inputs, call_model, check_inputs, last_positions
from hodology.nn.sites import Site
from hodology.nn.taps import evaluation_mode, hook_site

__all__ = ["Token", "check_token", "find_token", "has_class_token", "token_positions"]

Token = Literal["auto", "cls", "patches", "last"] | int
_NAMES = ("auto", "cls", "patches", "last")


def check_token(token: Token) -> Token:
    """Return `token`, or raise `UnknownNameError` / `InputError` when it is none."""
    if isinstance(token, str) and token not in _NAMES:
        raise UnknownNameError(f"token {token!r} is not a position{near_names(token, _NAMES)}.")
    if isinstance(token, bool) or not isinstance(token, (int, str)):
        raise InputError(f"token must be one of {_NAMES} or an integer, got {token!r}.")
    return token


def find_token(model: nn.Module, inputs: Inputs, site: Site) -> Literal["cls", "patches", "last"]:
    """Find out which positions a model's output reads, by its gradient at the last site.

    A class-token model reads position 0 alone, a global-pooled one all patches, a language model (whose
    scores are read at the last word) the last word. Decided on at most two rows.

    Parameters
    ----------
    model : nn.Module
    inputs : Tensor or mapping of Tensors
    site : Site
        The site of the last layer.
    """
    inputs = check_inputs(model, inputs)
    few = inputs[:2] if isinstance(inputs, Tensor) else {k: v[:2] for k, v in inputs.items()}
    held: list[Tensor] = []

    def hold(value: Tensor) -> Tensor:
        held.append(value.detach().clone().requires_grad_())
        return held[-1]

    with evaluation_mode(model), torch.enable_grad(), hook_site(model, site, hold):
        scores = call_model(model, few)
        if not held or not scores.requires_grad:
            raise InputError(
                f"the model's output does not depend on layer {site.name!r}; name its layers by hand."
            )
        gradient = torch.autograd.grad(scores.max(dim=1).values.sum(), held[-1])[0]
    if "input_ids" in few if isinstance(few, dict) else False:
        return "last"
    if gradient.ndim != 3:
        return "cls"
    read = gradient.abs().amax(dim=(0, 2)) > 0
    leading = 2 if len(read) > 3 else 1  # a distilled model reads its second token too
    return "cls" if bool(read[0]) and not bool(read[leading:].any()) else "patches"


def token_positions(inputs: Inputs, token: Token, *, tokens: int, class_token: bool) -> Tensor:
    """Return the positions that `token` means for each row, int64 of shape ``(batch, positions)``.

    Parameters
    ----------
    inputs : Tensor or mapping of Tensors
    token : {"cls", "patches", "last"} or int
        ``"cls"`` is position 0; ``"patches"`` every position but the class token, where there is one;
        ``"last"`` the last one that the attention mask keeps; an integer counts from that one when negative.
    tokens : int
        Number of tokens at the layers.
    class_token : bool
        Whether position 0 is a class token.

    Raises
    ------
    InputError
        For an index out of range of a row, or patches of rows that differ in length.
    """
    last = last_positions(inputs, tokens)
    if token == "last":
        return last[:, None]
    shortest = int(last.min()) + 1  # what the attention mask leaves of the shortest row
    if token == "patches":
        if shortest < tokens:
            raise InputError(
                f"token 'patches' needs rows of one length, got {shortest} to {tokens} tokens; use 'last' or an index."
            )
        first = 1 if class_token and tokens > 1 else 0
        return torch.arange(first, tokens, device=last.device).repeat(len(last), 1)
    index = 0 if token in ("cls", "auto") else int(token)
    if not -shortest <= index < shortest:
        raise InputError(f"token must be {-shortest} to {shortest - 1} for these rows, got {index}.")
    return (last + 1 + index if index < 0 else torch.full_like(last, index))[:, None]


def has_class_token(model: nn.Module) -> bool:
    """Whether the model has a class token; timm and transformers call it cls_token, torchvision class_token."""
    names = {name.rpartition(".")[2] for name, _ in model.named_parameters()}
    return bool(names & {"cls_token", "class_token", "class_embedding"})
