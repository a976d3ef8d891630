"""Bootstrap of linear CKA over stimuli, from the counts of the samples alone.

With counts c that sum to m, kernels K and L, HSIC of the sample is

    sum_ij c_i c_j K_ij L_ij - 2/m sum_i c_i (K c)_i (L c)_i + 1/m^2 (c'K c)(c'L c),

three quadratic forms, so a few matrix products serve all samples. A stimulus that is drawn twice is two equal stimuli
here, as in any plug-in bootstrap: values lie above the estimate on average, since a sample has fewer different stimuli.
Standard errors and paired differences are what to read; HSIC_1 would be biased by copies and is not offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.geometry.cka import centre_kernel, kernel_of
from hodology.geometry.patterns import as_patterns
from hodology.geometry.rsa_resampling import count_stimuli, draw_stimuli

__all__ = ["CKABootstrap", "bootstrap_cka"]

_CELLS = 2**22  # products of counts that are held at a time


@dataclass(frozen=True, repr=False, eq=False)
class CKABootstrap:
    """Linear CKA in every sample.

    Attributes
    ----------
    values : float64 ndarray, shape (samples, sets of xs, sets of ys)
    estimate : float64 ndarray, shape (sets of xs, sets of ys)
        On the data as they are.
    x_names, y_names : tuple of str
    """

    values: np.ndarray
    estimate: np.ndarray
    x_names: tuple[str, ...]
    y_names: tuple[str, ...]

    def __repr__(self) -> str:
        samples, first, second = self.values.shape
        return f"CKABootstrap({samples} samples, {first} x {second} sets of patterns)"

    def standard_errors(self) -> np.ndarray:
        """Standard deviation over samples, shape (sets of xs, sets of ys)."""
        return self.values.std(axis=0, ddof=1)


def bootstrap_cka(
    xs: Mapping[str, Any] | Any,
    ys: Mapping[str, Any] | Any,
    *,
    n_boot: int = 1000,
    samples: np.ndarray | None = None,
    rng: int = 0,
) -> CKABootstrap:
    """Bootstrap linear CKA of every set of `xs` with every set of `ys` over stimuli.

    Parameters
    ----------
    xs, ys : mapping of str to patterns, or patterns
        Over the same stimuli.
    n_boot : int
    samples : int ndarray, shape (n_boot, stimuli), optional
        As in `bootstrap_rsa`: equal samples make differences between measures paired.
    rng : int

    Returns
    -------
    CKABootstrap
    """
    first, second = _kernels(xs, "x"), _kernels(ys, "y")
    n = len(next(iter(first.values())))
    for name, kernel in {**first, **second}.items():
        if len(kernel) != n:
            raise InputError(
                f"patterns must be over the same stimuli, got {n} and {len(kernel)} in {name!r}."
            )
    drawn = draw_stimuli(n, n_boot=n_boot, rng=rng) if samples is None else samples
    counts = count_stimuli(drawn, n).astype(np.float64)
    one, two = np.stack(list(first.values())), np.stack(list(second.values()))
    values = np.empty((len(counts), len(one), len(two)))
    step = max(1, _CELLS // n**2)
    for begin in range(0, len(counts), step):
        part = slice(begin, begin + step)
        values[part] = _sampled(one, two, counts[part])
    return CKABootstrap(values, _sampled(one, two, np.ones((1, n)))[0], tuple(first), tuple(second))


def _kernels(sets: Any, name: str) -> dict[str, np.ndarray]:
    """Centred linear kernels by name."""
    named = sets if isinstance(sets, Mapping) else {name: sets}
    if not named:
        raise InputError("bootstrap_cka needs at least one set of patterns on each side.")
    found = {}
    for key, patterns in named.items():
        values = as_patterns(patterns, name=str(key)).values
        kernel = centre_kernel(kernel_of(values - values.mean(axis=0)))
        scale = np.sqrt((kernel**2).mean())
        if scale == 0:
            raise InputError(f"patterns of {str(key)!r} have no variation.")
        found[str(key)] = kernel / scale
    return found


def _sampled(one: np.ndarray, two: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """CKA in each sample, shape (samples, len(one), len(two))."""
    n = counts.shape[1]
    first, second = np.triu_indices(n)
    weights = counts[:, first] * counts[:, second] * np.where(first == second, 1.0, 2.0)
    total = counts.sum(axis=1)
    sides = []
    for kernels in (one, two):
        means = counts @ kernels  # (sets, samples, stimuli)
        sides.append((kernels[:, first, second], means, np.einsum("sn,ksn->ks", counts, means)))

    def hsic(left: int, i: int, right: int, j: int) -> np.ndarray:
        (rows, means, sums), (rows_j, means_j, sums_j) = sides[left], sides[right]
        straight = weights @ (rows[i] * rows_j[j])
        middle = np.einsum("sn,sn,sn->s", counts, means[i], means_j[j])
        return straight - 2.0 / total * middle + sums[i] * sums_j[j] / total**2

    out = np.empty((len(counts), len(one), len(two)))
    own = [np.stack([hsic(side, i, side, i) for i in range(len(sides[side][0]))], axis=1) for side in (0, 1)]
    for i in range(len(one)):
        for j in range(len(two)):
            out[:, i, j] = hsic(0, i, 1, j) / np.sqrt(own[0][:, i] * own[1][:, j])
    return out
