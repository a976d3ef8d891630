"""Which pairs of thresholds are sensitive to topology, to geometry, to near or to far (Lin and Kriegeskorte 2024)."""

from __future__ import annotations

from typing import Literal, get_args

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.rng import stream

__all__ = ["Regime", "check_thresholds", "draw_thresholds", "regime", "threshold_grid"]

Regime = Literal["topology", "geometry", "local", "global", "intermediate"]
_SLACK = 1e-9  # 0.95 - 0.15 is a little less than 0.8


def regime(low: float, high: float) -> Regime:
    """Name the regime of a pair of thresholds.

    Parameters
    ----------
    low, high : float
        Quantiles of the ranked dissimilarities, 0 <= low <= high <= 1.

    Returns
    -------
    {"topology", "geometry", "local", "global", "intermediate"}
        Topology: low >= 0.4 and high <= 0.6. Geometry: high - low >= 0.8. Local: middle <= 0.2. Global: middle >=
        0.8. Intermediate: none of these. No pair is of two regimes.

    Raises
    ------
    InputError
        For thresholds out of order or out of range.

    Examples
    --------
    >>> regime(0.45, 0.55), regime(0.0, 0.3), regime(0.2, 0.7)
    ('topology', 'local', 'intermediate')
    """
    check_thresholds(low, high)
    middle = 0.5 * (low + high)
    if low >= 0.4 - _SLACK and high <= 0.6 + _SLACK:
        return "topology"
    if high - low >= 0.8 - _SLACK:
        return "geometry"
    if middle <= 0.2 + _SLACK:
        return "local"
    return "global" if middle >= 0.8 - _SLACK else "intermediate"


def draw_thresholds(name: Regime, *, n_draws: int = 10, rng: int = 0) -> tuple[tuple[float, float], ...]:
    """Draw pairs of thresholds of one regime.

    Two uniform numbers, the smaller first, rounded to 0.01; pairs with low + high <= 0.01 or >= 1.99 (which leave
    next to nothing) and pairs of other regimes are drawn again.

    Parameters
    ----------
    name : {"topology", "geometry", "local", "global", "intermediate"}
    n_draws : int
    rng : int

    Returns
    -------
    tuple of (low, high)

    Raises
    ------
    UnknownNameError
        When the regime does not exist.
    InputError
        For no draws.
    """
    if name not in get_args(Regime):
        raise UnknownNameError(f"regime {name!r} does not exist{near_names(name, get_args(Regime))}.")
    if isinstance(n_draws, bool) or n_draws < 1:
        raise InputError(f"n_draws must be at least 1, got {n_draws}.")
    generator = stream(rng, "thresholds", name)
    found: list[tuple[float, float]] = []
    while len(found) < n_draws:
        low, high = sorted(round(float(value), 2) for value in generator.random(2))
        if 0.01 < round(low + high, 2) < 1.99 and regime(low, high) == name:
            found.append((low, high))
    return tuple(found)


def threshold_grid(*, step: float = 0.05) -> tuple[tuple[float, float], ...]:
    """All pairs low < high on a lattice from 0 to 1: 210 of them at the default step.

    The degenerate corners (0, 0) and (1, 1) are none of these.

    Raises
    ------
    InputError
        For a step that does not divide 1.
    """
    count = round(1.0 / step) if 0.0 < step <= 1.0 else 0
    if count < 1 or abs(count * step - 1.0) > 1e-9:
        raise InputError(f"step must divide 1, such as 0.05, got {step}.")
    lattice = [round(i / count, 10) for i in range(count + 1)]
    return tuple((low, high) for i, low in enumerate(lattice) for high in lattice[i + 1 :])


def check_thresholds(low: float, high: float) -> None:
    """Raise `InputError` unless 0 <= low <= high <= 1."""
    if not 0.0 <= low <= 1.0 or not 0.0 <= high <= 1.0:
        raise InputError(f"low and high must lie between 0 and 1, got {low} and {high}.")
    if low > high:
        raise InputError(f"low must not be above high, got low {low} and high {high}.")
