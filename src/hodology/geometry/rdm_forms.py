"""Give transformed dissimilarities back in the container in which the matrices came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from hodology.geometry.rdm_reading import Missing
from hodology.geometry.rdms import RDMs, as_rdms

__all__ = ["open_form"]


def open_form(x: Any, *, missing: Missing = "error") -> tuple[RDMs, Callable[[np.ndarray], Any]]:
    """Read matrices and say how new values go back into the same kind of container.

    Parameters
    ----------
    x : anything `as_rdms` reads
    missing : {"error", "keep", "drop", "impute"}
        What to do about NaN.

    Returns
    -------
    rdms : RDMs
        Values in float64.
    restore : callable
        From values ``(matrices, pairs)`` to `RDMs`, ``rsatoolbox.rdm.RDMs``, condensed or square arrays, whichever
        `x` is.
    """
    read = as_rdms(x, missing=missing)
    rdms = replace(read, values=read.values.astype(np.float64))
    return rdms, lambda values: _restored(x, rdms, values)


def _restored(x: Any, rdms: RDMs, values: np.ndarray) -> Any:
    new = replace(rdms, values=values)
    if isinstance(x, RDMs):
        return new
    if hasattr(x, "dissimilarities") and hasattr(x, "pattern_descriptors"):  # rsatoolbox
        return new.to_rsatoolbox()
    given = np.ndim(x)
    if given == 1:
        return values[0]
    if given == 3:
        return new.square()
    square = np.shape(x) == (np.shape(x)[1],) * 2 and np.shape(x)[0] > 1
    return new.square()[0] if square else values
