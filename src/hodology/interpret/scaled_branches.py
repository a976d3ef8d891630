"""Branches scaled in the cascade, the control of EnsembleScale: as many parameters in another place.

Later blocks read each branch scaled, as with LayerScale (Touvron et al., "Going deeper with image transformers", ICCV
2021), but for the initial value, which is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import nn

from hodology.errors import UnknownNameError
from hodology.interpret.path_ensemble import PathEnsemble, StateKind
from hodology.nn.forward import Inputs

__all__ = ["ScaledBranches", "scale_branches"]


class ScaledBranches(PathEnsemble):
    """A model whose branches are scaled in the cascade, so that later blocks read them scaled (LayerScale).

    The control of EnsembleScale: the same parameters, begun at 1, in another place. See `scale_branches`.
    """

    cascade = True

    def merge(self) -> nn.Module:
        """A copy of the model with each branch's scale in the output channels of its last linear map.

        Raises
        ------
        InputError
            When the embedding's scale is not 1, or a branch does not end in a linear map.
        """
        return super().merge()

    def _foldable(self) -> Sequence[int]:
        return range(1, len(self.path_mask))


def scale_branches(
    model: nn.Module,
    *,
    scale: Literal["scalar", "vector"] = "vector",
    state: StateKind = "own",
    example: Inputs | None = None,
) -> ScaledBranches:
    """Scale the embedding and every branch in the cascade: LayerScale with as many parameters as EnsembleScale.

    Parameters
    ----------
    model, state, example
        As in `PathEnsemble`.
    scale : {"scalar", "vector"}
        P numbers, or P x width.
    """
    if scale not in ("scalar", "vector"):
        raise UnknownNameError(f"scale must be 'scalar' or 'vector' for branches, got {scale!r}.")
    return ScaledBranches(model, scale=scale, state=state, example=example)
