"""Claims and verdicts.

A claim compares one number, measured once per seed, with a threshold. The verdict follows from the 95 % t
interval over seeds: it holds when the whole interval lies on the right side, does not hold when it lies on the
wrong side, and is undecided when the threshold is inside it (or when one seed allows no interval).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from hodology.errors import InputError
from hodology.stats import t_interval

__all__ = ["Claim", "Verdict", "judge", "overall_state"]

Verdict = Literal["holds", "does not hold", "undecided"]


@dataclass(frozen=True)
class Claim:
    """One falsifiable sentence and what was found.

    Attributes
    ----------
    claim, paper : str
        The sentence, and the paper's own figure or words.
    measured : float
        Mean over seeds.
    interval : (float, float) or None
        95 % interval over seeds.
    per_seed : tuple of float
    unit, rule, note : str
        `rule` says what the claim must pass, for example ``"above 2"``.
    threshold : float
    verdict : str
    """

    claim: str
    paper: str
    measured: float
    interval: tuple[float, float] | None
    per_seed: tuple[float, ...]
    unit: str
    rule: str
    threshold: float
    verdict: Verdict
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def judge(
    claim: str,
    per_seed: Sequence[float] | np.ndarray,
    *,
    paper: str,
    unit: str = "",
    holds_above: float | None = None,
    holds_below: float | None = None,
    note: str = "",
) -> Claim:
    """Measure a claim.

    Parameters
    ----------
    claim, paper, unit, note : str
    per_seed : sequence of float
        One value per seed.
    holds_above, holds_below : float
        Exactly one of both: the threshold and its side.

    Raises
    ------
    InputError
        When both or none are given, or a value is not finite.
    """
    if (holds_above is None) == (holds_below is None):
        raise InputError(f"claim {claim!r} needs exactly one of holds_above and holds_below.")
    found = t_interval([float(v) for v in per_seed])
    threshold, sign = (holds_above, 1.0) if holds_above is not None else (holds_below, -1.0)
    rule = f"{'above' if sign > 0 else 'below'} {threshold:g}"
    known = math.isfinite(found.low)
    verdict: Verdict = "undecided"
    if known and min(sign * (found.low - threshold), sign * (found.high - threshold)) > 0:  # type: ignore[operator]
        verdict = "holds"
    elif known and max(sign * (found.low - threshold), sign * (found.high - threshold)) < 0:  # type: ignore[operator]
        verdict = "does not hold"
    interval = (found.low, found.high) if known else None
    values = tuple(float(v) for v in per_seed)
    return Claim(claim, paper, found.estimate, interval, values, unit, rule, float(threshold), verdict, note)  # type: ignore[arg-type]


def overall_state(verdicts: Sequence[str]) -> str:
    """State of a study: ``holds`` (all claims), ``does not hold`` (none), else ``partly``."""
    if verdicts and all(v == "holds" for v in verdicts):
        return "holds"
    return "partly" if "holds" in verdicts else "does not hold"
