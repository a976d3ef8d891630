"""How input variance is shared among uncorrelated dichotomies so that inputs have a wanted alignment with the targets.

Over n = 2^b conditions the n - 1 non-constant Hadamard columns are the uncorrelated balanced dichotomies. Inputs that
give dichotomy i the variance pi_i (on the simplex) and targets that are the first k of them have the centred kernel
alignment

    c = cos(pi, 1_targets) = sum_targets pi_i / (|pi| sqrt(k)),       separability s = (n - 1) c^2 / k,

so a wanted c is a point of a quadric in pi, and no search is needed.

Reference: Alleman, Lindsey and Fusi, "Task structure and nonlinearity jointly determine learned representational
geometry", ICLR 2024.
"""

from __future__ import annotations

import numpy as np

from hodology.errors import InputError
from hodology.rng import stream

__all__ = [
    "alignment_of",
    "alignment_of_separability",
    "even_spectrum",
    "random_spectrum",
    "separability_of",
]


def alignment_of(spectrum: np.ndarray, targets: int) -> float:
    """Alignment c of a spectrum with its first `targets` entries."""
    pi = np.asarray(spectrum, dtype=np.float64)
    return float(pi[:targets].sum() / (np.linalg.norm(pi) * np.sqrt(targets)))


def separability_of(alignment: float, *, conditions: int, targets: int) -> float:
    """s = (n - 1) c^2 / k: 0 for parity-like targets, 1 for equidistant inputs, (n - 1) / k for nothing else."""
    _check(conditions, targets)
    return (conditions - 1) * _in_range(alignment, "alignment", 1.0, "") ** 2 / targets


def alignment_of_separability(separability: float, *, conditions: int, targets: int) -> float:
    """c = sqrt(s k / (n - 1)), the inverse of `separability_of`.

    Raises
    ------
    InputError
        When the separability is outside 0 to (n - 1) / k.
    """
    _check(conditions, targets)
    most = (conditions - 1) / targets
    found = _in_range(separability, "separability", most, " (conditions - 1 over targets)")
    return min(1.0, float(np.sqrt(found / most)))


def even_spectrum(alignment: float, *, conditions: int, targets: int) -> np.ndarray:
    """The deterministic spectrum ("scale 0"): one weight for all targets and one for all other dichotomies.

    Parameters
    ----------
    alignment : float
        c, 0 to 1.
    conditions, targets : int
        n and k.

    Returns
    -------
    float64 ndarray, shape (conditions - 1,)
        Sums to 1; targets come first.

    Notes
    -----
    With m = n - 1 - k others of weight b' and targets of weight a: b'/a = sqrt(k (1 - c^2) / (m c^2)) and
    a = 1 / (k + m b'/a).
    """
    _check(conditions, targets)
    c = _in_range(alignment, "alignment", 1.0, "")
    others = conditions - 1 - targets
    own, other = c / np.sqrt(targets), np.sqrt((1 - c * c) / others)  # b'/a without a division by c
    found = np.concatenate([np.full(targets, own), np.full(others, other)])
    return found / found.sum()


def random_spectrum(
    alignment: float, *, conditions: int, targets: int, scale: float = 0.5, seed: int = 0
) -> np.ndarray:
    """A random spectrum of exactly the wanted alignment.

    A draw from a Dirichlet distribution of concentration 1 / scale is moved along the ray from a reference point of
    the simplex onto the quadric of alignment c. The reference is the centre of the targets' face when the draw has too
    little alignment and the centre of the others' face when it has too much, so the whole ray stays in the simplex. As
    the scale goes to 0 this becomes `even_spectrum`.

    Parameters
    ----------
    alignment : float
    conditions, targets : int
    scale : float
        Above 0; the larger, the more uneven.
    seed : int

    Returns
    -------
    float64 ndarray, shape (conditions - 1,)
    """
    _check(conditions, targets)
    c = _in_range(alignment, "alignment", 1.0, "")
    if not 0 < scale < np.inf:
        raise InputError(f"scale must be positive, got {scale}; the spectrum of scale 0 is even_spectrum.")
    size = conditions - 1
    pi = stream(seed, "spectrum").dirichlet(np.full(size, 1.0 / scale))
    inside = np.arange(size) < targets
    reference = np.where(inside, 1.0 / targets, 0.0)
    if alignment_of(pi, targets) > c:
        reference = np.where(inside, 0.0, 1.0 / (size - targets))
    share = _crossing(pi, reference, targets, c)
    return (1 - share) * pi + share * reference


def _crossing(pi: np.ndarray, reference: np.ndarray, targets: int, c: float) -> float:
    """Share t of the reference at which the mixture has alignment c: (sum_T)^2 = c^2 k |.|^2, a quadratic in t."""
    step = reference - pi
    s0, s1 = pi[:targets].sum(), step[:targets].sum()
    weight = c * c * targets
    a = s1 * s1 - weight * (step @ step)
    b = 2 * (s0 * s1 - weight * (pi @ step))
    d = s0 * s0 - weight * (pi @ pi)
    roots = np.roots([a, b, d]) if abs(a) > 1e-15 else np.array([-d / b])
    roots = roots.real[np.abs(roots.imag) < 1e-6]  # a double root may come out as a close complex pair
    inside = roots[(roots > -1e-9) & (roots < 1 + 1e-7)]
    return float(np.clip(inside.min(), 0.0, 1.0))


def _check(conditions: int, targets: int) -> None:
    if conditions < 4:
        raise InputError(f"conditions must be at least 4, got {conditions}.")
    if not 1 <= targets <= conditions - 2:
        raise InputError(f"targets must be from 1 to {conditions - 2} (conditions - 2), got {targets}.")


def _in_range(value: float, name: str, most: float, why: str) -> float:
    if not 0 <= value <= most * (1 + 1e-12):
        raise InputError(f"{name} must lie from 0 to {most:g}{why}, got {value}.")
    return float(min(value, most))
