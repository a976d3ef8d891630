"""Masked and re-weighted path ensembles: x~ = sum_p s_p lambda_p O_p, read by the model's norm and head.

The weights act on the final sum alone. Later paths still receive O_p as it is, which is what sets EnsembleScale apart from
LayerScale (Touvron et al., 2021): scaling a branch in the cascade changes what every later block reads.
`hodology.interpret.scaled_branches` is that other thing with the same number of parameters, as a control.

Reference: Chang et al., "Revisiting vision transformer from the view of path ensemble", ICCV 2023.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.scale_folding import fold_scales
from hodology.nn.forward import Inputs, call_model, to_device, usable_model
from hodology.nn.residual import ResidualStream, stream_shape
from hodology.nn.taps import evaluation_mode

__all__ = ["PathEnsemble", "ScaleKind", "StateKind"]

ScaleKind = Literal["none", "scalar", "vector"]
StateKind = Literal["own", "all"]


class PathEnsemble(nn.Module):
    """A model whose head reads a masked and re-weighted sum of its paths.

    The model is referenced, not copied, and not changed: hooks live inside `forward` only, and `train` and `eval` are
    passed on as to any part of a module. Inputs are what the model takes (a tensor or a mapping), outputs are class
    scores ``(batch, classes)``.

    Parameters
    ----------
    model : nn.Module
        A pre-norm transformer.
    mask : sequence of bool, length P, optional
        False cuts a component out of the sum (see `prune_paths`).
    scale : {"none", "scalar", "vector"}
        A learnable weight per component (P numbers), or per component and channel (P x width, the paper's
        EnsembleScale). They begin at 1, where the model's scores are unchanged.
    state : {"own", "all"}
        What `state_dict` holds: mask and scale alone, or the model's parameters too. Say ``"all"`` when the model
        is trained along, so that checkpoints hold it.
    example : Tensor or mapping of Tensors, optional
        Inputs to find the stream with. By default the first batch does, and the numbers of components and
        channels are read off the model's structure.

    Raises
    ------
    UnknownNameError
        For a scale or state that does not exist.
    InputError
        For a mask of another length or without a component left, a model in half precision, and models without a
        residual stream (by the first batch at the latest).

    Notes
    -----
    Weight decay draws the scale to 0, not to 1: train with `parameter_groups`, which spares it, or pass
    ``without_decay=ensemble.parameters_to_scale()`` to `hodology.nn.fit.fit`.

    Examples
    --------
    >>> import torch
    >>> from hodology.nn.models import VisionTransformer
    >>> x = torch.rand(4, 1, 8, 8)
    >>> model = VisionTransformer(image_size=8, patch_size=2, depth=2, width=16, heads=2, hidden=32).eval()
    >>> ensemble = PathEnsemble(model, scale="vector").eval()
    >>> ensemble.path_scale.shape
    torch.Size([5, 16])
    >>> bool(torch.allclose(ensemble(x), model(x), atol=1e-5))
    True
    """

    cascade = False
    path_mask: Tensor

    def __init__(
        self,
        model: nn.Module,
        *,
        mask: Sequence[bool] | Tensor | None = None,
        scale: ScaleKind = "none",
        state: StateKind = "own",
        example: Inputs | None = None,
    ) -> None:
        super().__init__()
        if scale not in get_args(ScaleKind):
            raise UnknownNameError(f"scale {scale!r} does not exist{near_names(scale, get_args(ScaleKind))}.")
        if state not in get_args(StateKind):
            raise UnknownNameError(f"state {state!r} does not exist{near_names(state, get_args(StateKind))}.")
        if isinstance(model, nn.Module) and any(p.dtype.itemsize < 4 for p in model.parameters()):
            raise InputError("the model is in half precision; call .float() on it first.")
        self.model = usable_model(model)
        self.state = state
        self.scale = scale
        self._stream = None if example is None else ResidualStream(model, example)
        count, width = (
            stream_shape(model) if self._stream is None else (len(self._stream), self._stream.width)
        )
        self.register_buffer("path_mask", _mask(mask, count))
        device = next(model.parameters()).device
        shape = {"none": (0,), "scalar": (count,), "vector": (count, width)}[scale]
        self.path_scale = None if scale == "none" else nn.Parameter(torch.ones(shape, device=device))
        self.path_mask = self.path_mask.to(device)
        self._prefix = ""
        self.register_state_dict_post_hook(_drop_model)
        self.register_load_state_dict_pre_hook(_note_prefix)
        self.register_load_state_dict_post_hook(_forgive_missing_model)

    def extra_repr(self) -> str:
        """Components that stay, and the kind of scale."""
        return f"{int(self.path_mask.sum())} of {len(self.path_mask)} paths, scale={self.scale!r}"

    @property
    def stream(self) -> ResidualStream:
        """The model's residual stream.

        Raises
        ------
        InputError
            Before the first batch, without an example.
        """
        if self._stream is None:
            raise InputError(
                "the stream is not known yet: run a batch, or pass example= when making the ensemble."
            )
        return self._stream

    def forward(self, inputs: Inputs) -> Tensor:
        """Class scores ``(batch, classes)`` of the weighted sum; differentiable by model and scale."""
        total = self.sums(inputs, [len(self.path_mask) - 1])[0]
        return self.stream.head(total)

    def sums(self, inputs: Inputs, at: Sequence[int]) -> list[Tensor]:
        """Weighted sums up to and with each of the components `at`, as the head reads them."""
        stream = self.find_stream(inputs)
        running = _RunningSum(stream, inputs, self.weights(), cascade=self.cascade, at=at)
        with stream.visiting(running.visit):
            call_model(self.model, inputs)
        stream.check_points(len(running.seen))
        return running.results()

    def weights(self) -> list[Tensor | None]:
        """s_p lambda_p of each component; None where that is one for good."""
        weights: list[Tensor | None] = []
        for index, kept in enumerate(self.path_mask.tolist()):
            if self.path_scale is not None:
                weights.append(self.path_scale[index] * float(kept))
            else:
                weights.append(None if kept else torch.zeros((), device=self.path_mask.device))
        return weights

    def parameters_to_scale(self) -> list[nn.Parameter]:
        """The scale, as a list for an optimizer; empty for ``scale="none"``."""
        return [] if self.path_scale is None else [self.path_scale]

    def parameter_groups(self, *, weight_decay: float) -> list[dict[str, Any]]:
        """Groups for an optimizer: everything else with weight decay, the scale without."""
        own = {id(parameter) for parameter in self.parameters_to_scale()}
        others = [parameter for parameter in self.parameters() if id(parameter) not in own]
        groups = [{"params": others, "weight_decay": weight_decay}]
        return groups + [{"params": [p], "weight_decay": 0.0} for p in self.parameters_to_scale()]

    def merge(self) -> nn.Module:
        """A copy of the model with mask and scale folded into its weights, where that is possible.

        Only the last block's feed-forward component is read by nothing but the head, so only its scale can go into
        weights: it multiplies the output channels of the block's down projection (a LayerScale behind it commutes). Any
        other component is read by later blocks without its scale.

        Raises
        ------
        InputError
            When another component has a scale that is not 1, or is cut; when the stream is not known yet.
        """
        return fold_scales(
            self.stream, copy.deepcopy(self.model), self.weights(), self._foldable(), self._scores_of_few()
        )

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return (len(self.path_mask) - 1) // 2 if self._stream is None else len(self._stream.boundaries()) - 1

    def find_stream(self, inputs: Inputs) -> ResidualStream:
        """The model's residual stream, found with these inputs when it is not known yet."""
        if self._stream is None:
            found = ResidualStream(self.model, inputs)
            if len(found) != len(self.path_mask) or (
                self.path_scale is not None
                and self.path_scale.ndim == 2
                and found.width != self.path_scale.shape[1]
            ):
                raise InputError(
                    f"{type(self.model).__name__} has {len(found)} components of width {found.width}, but its structure "
                    f"promised {len(self.path_mask)}; pass example= when making the ensemble."
                )
            self._stream = found
        return self._stream

    def _foldable(self) -> Sequence[int]:
        return [len(self.path_mask) - 1]

    def _scores_of_few(self) -> tuple[Inputs, Tensor]:
        few = to_device(self.stream.survey.few, self.path_mask.device)
        with evaluation_mode(self), torch.no_grad():
            return few, self(few)


class _RunningSum:
    """The weighted sum, grown point by point while the model runs."""

    def __init__(
        self,
        stream: ResidualStream,
        inputs: Inputs,
        weights: list[Tensor | None],
        *,
        cascade: bool,
        at: Sequence[int],
    ) -> None:
        self.stream, self.inputs, self.weights, self.cascade, self.at = stream, inputs, weights, cascade, at
        self.before: Tensor | None = None
        self.total: Tensor | None = None
        self.seen: set[int] = set()
        self.kept: dict[int, Tensor] = {}

    def visit(self, point: int, value: Tensor) -> Tensor:
        if point not in self.seen:
            self.seen.add(point)
            now = (value if self.cascade else self.stream.select(value, self.inputs)).clone()
            term = now if self.before is None else now - self.before
            weight = self.weights[point]
            term = term if weight is None else term * weight
            self.total = term if self.total is None else self.total + term
            self.before = now
            if point in self.at:
                self.kept[point] = self.stream.select(self.total, self.inputs) if self.cascade else self.total
        return self.total if self.cascade and self.total is not None else value

    def results(self) -> list[Tensor]:
        return [self.kept[point] for point in self.at]


def _mask(mask: Sequence[bool] | Tensor | None, count: int) -> Tensor:
    kept = torch.ones(count, dtype=torch.bool) if mask is None else torch.as_tensor(mask)
    if kept.shape != (count,) or kept.dtype != torch.bool:
        raise InputError(
            f"mask must be {count} booleans, one per component, got shape {tuple(kept.shape)} of {kept.dtype}."
        )
    if not bool(kept.any()):
        raise InputError("mask must keep at least one component, got none.")
    return kept.clone()


def _drop_model(ensemble: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    """Leave the model's parameters out of a state of mask and scale alone."""
    if not isinstance(ensemble, PathEnsemble) or ensemble.state == "all":
        return
    if ensemble.model.training and any(parameter.requires_grad for parameter in ensemble.model.parameters()):
        warnings.warn(
            "the state holds mask and scale alone while the model may be training; pass state='all' to keep the model "
            "too, or freeze it.",
            stacklevel=3,
        )
    for key in [key for key in state if key.startswith(f"{prefix}model.")]:
        del state[key]


def _note_prefix(ensemble: nn.Module, _: Any, prefix: str, *__: Any) -> None:
    if isinstance(ensemble, PathEnsemble):
        ensemble._prefix = prefix


def _forgive_missing_model(ensemble: nn.Module, keys: Any) -> None:
    """A state of mask and scale alone is whole: the model's parameters do not count as missing."""
    if isinstance(ensemble, PathEnsemble) and ensemble.state == "own":
        inner = f"{ensemble._prefix}model."
        keys.missing_keys[:] = [key for key in keys.missing_keys if not key.startswith(inner)]
