"""How a model reads its residual stream: which tokens, through which norm, by which head.

Found by trying: a reading is accepted when it gives what the head's first module took in a plain pass, and then
the model's scores. Class token, last token, and means before the norm need one vector per row. A mean behind the
norm (SigLIP without its pooling head), a token beside a mean (DINOv2) and two tokens with a head each (DeiT's
distillation) keep a token axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.nn.forward import last_positions
from hodology.nn.residual_survey import Call, Survey
from hodology.nn.taps import evaluation_mode
from hodology.nn.watched_pass import is_norm

__all__ = ["Readout", "Reading", "find_readout"]

Reading = Literal["token", "last token", "mean", "mean of normed", "token and mean", "two tokens"]
_LEADING = 32  # class, distillation and register tokens that a mean may leave out


@dataclass(frozen=True)
class Readout:
    """From the stream's end to the scores.

    Attributes
    ----------
    reading : str
        ``"token"``, ``"last token"`` and ``"mean"`` read one vector per row; ``"mean of normed"`` and ``"token and
        mean"`` norm every token first, ``"two tokens"`` gives two tokens to a head each and averages the scores.
    first : int
        Position of the token, or of the first token of the mean.
    norm : str or None
        The norm between stream and head.
    head : tuple of str
        Modules behind it, in order.
    """

    reading: Reading
    first: int
    norm: str | None
    head: tuple[str, ...]

    @property
    def token_axis(self) -> bool:
        """Whether what is read has an axis of tokens."""
        return self.reading in ("mean of normed", "token and mean", "two tokens")

    @property
    def all_tokens(self) -> bool:
        """Whether every token has to be kept, because each is normed before they are pooled."""
        return self.reading in ("mean of normed", "token and mean")

    def select(self, tokens: Tensor, last: Tensor) -> Tensor:
        """What is read of tokens ``(..., rows, tokens, width)``; `last` holds the last position of each row."""
        if self.reading == "token":
            return tokens[..., self.first, :]
        if self.reading == "last token":
            return tokens[..., torch.arange(len(last), device=last.device), last, :]
        if self.reading == "mean":
            return tokens[..., self.first :, :].mean(dim=-2)
        return tokens[..., :2, :] if self.reading == "two tokens" else tokens

    def pool(self, normed: Tensor) -> Tensor:
        """What the head takes of the normed reading."""
        if self.reading == "mean of normed":
            return normed[..., self.first :, :].mean(dim=-2)
        if self.reading == "token and mean":
            return torch.cat([normed[..., 0, :], normed[..., self.first :, :].mean(dim=-2)], dim=-1)
        return normed

    def scores(self, model: nn.Module, pooled: Tensor) -> Tensor:
        """Class scores ``(rows, classes)`` of what `pool` returned."""
        if self.reading == "two tokens":
            first, second = (model.get_submodule(name) for name in self.head)
            return (first(pooled[:, 0]) + second(pooled[:, 1])) / 2
        for name in self.head:
            pooled = model.get_submodule(name)(pooled)
        return pooled

    def normed(self, model: nn.Module, read: Tensor) -> Tensor:
        """The reading behind the norm; unchanged without one."""
        return read if self.norm is None else model.get_submodule(self.norm)(read)


def find_readout(model: nn.Module, survey: Survey) -> Readout:
    """Find the readout that gives the model's scores.

    Raises
    ------
    InputError
        When none does: attention pooling (named), or scores that are changed behind the last module.
    """
    last = last_positions(survey.few, survey.end.shape[1])
    with evaluation_mode(model), torch.no_grad():
        for readout, first in _candidates(model, survey):
            if _fits(model, survey, readout, first, last):
                return readout
    pools = [call.module for call in survey.after if call.pools]
    if pools:
        raise InputError(
            f"the head reads the tokens through {pools[0]!r} ({type(model.get_submodule(pools[0])).__name__}), which is "
            "no class token, last token or mean: attention pooling is not accepted."
        )
    raise InputError(
        f"the scores of {type(model).__name__} are not what its head {[call.module for call in survey.after]} gives for "
        "the class token, the last token or a mean of the stream's end; scores that are changed behind the last module "
        "are not accepted."
    )


def _candidates(model: nn.Module, survey: Survey) -> Iterator[tuple[Readout, Call | None]]:
    """Readouts to try, the plainest first, and the call whose input each must explain."""
    values = survey.few.values() if isinstance(survey.few, Mapping) else [survey.few]
    text = not any(value.is_floating_point() for value in values)
    tokens = survey.end.shape[1]
    single: list[tuple[Reading, int]] = [("token", 0), ("last token", 0)]
    means = range(min(tokens, _LEADING))
    calls = [call for call in survey.after if not call.pools]
    for begin in range(len(calls) + 1):
        chain = calls[begin:]
        names = tuple(call.module for call in chain)
        norm = survey.final_norm
        if norm is None and names and is_norm(names[0], model.get_submodule(names[0])):
            norm, names = names[0], names[1:]
        behind: list[Reading] = ["token and mean"]
        behind = ["mean of normed", *behind] if survey.final_norm else behind
        readings = single[::-1] if text else single
        readings = readings + [("mean", k) for k in means if survey.final_norm is None]
        readings = readings + [(reading, k) for reading in behind for k in means]
        for reading, first in readings:
            yield Readout(reading, first, norm, names), chain[0] if chain else None
    if len(calls) >= 2 and tokens >= 2:
        yield Readout("two tokens", 0, survey.final_norm, (calls[-2].module, calls[-1].module)), None


def _fits(model: nn.Module, survey: Survey, readout: Readout, call: Call | None, last: Tensor) -> bool:
    try:
        read = readout.select(survey.end, last)
        pooled = readout.pool(readout.normed(model, read))
        if call is not None and call.entered is not None:
            taken = read if call.module == readout.norm else pooled
            entered = call.entered
            if entered.ndim == 3 and taken.ndim == 2:
                tokens, rows = entered.shape[1], torch.arange(len(last), device=last.device)
                where = last if readout.reading == "last token" else torch.full_like(last, readout.first)
                entered = entered[rows, where if tokens == survey.end.shape[1] else 0]
            if not _close(taken, entered):
                return False
        scores = readout.scores(model, pooled)
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError):
        return False  # a module of the chain takes another shape: not this reading
    return _close(scores, survey.scores)


def _close(a: Tensor, b: Tensor) -> bool:
    if not isinstance(a, Tensor) or a.shape != b.shape:
        return False
    return bool((a - b).abs().max() <= 2e-5 * b.abs().max() + 1e-7)
