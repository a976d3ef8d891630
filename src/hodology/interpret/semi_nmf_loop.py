"""The loop of semi-NMF: iterate, look at the loss now and then, keep the best, know when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hodology.interpret.semi_nmf_updates import Steps

__all__ = ["Rules", "Run", "Solver", "factorise"]

Solver = Literal["hals", "mu"]
_SWEEPS = 2  # of HALS per iteration: cheap beside the products, and most of the gain of many
_STILL = 1e-3  # of tol: a change this small over a tenth of the patience is none


@dataclass(frozen=True)
class Rules:
    """How to iterate, and when to stop; `count` is how many entries of a feature stay, None for all."""

    count: int | None
    solver: Solver
    max_iter: int
    tol: float
    patience: int
    check_every: int


@dataclass(frozen=True)
class Run:
    """One run from one start, in the arrays of its steps.

    Attributes
    ----------
    g, h : array
        Coefficients (k, n) and features (k, d) of the best iterate that was looked at.
    loss : float
        Its squared error, as a share of the squared norm of the data.
    history : float ndarray
        That share at every check.
    n_iter : int
    converged : bool
        False when `max_iter` ended the run.
    """

    g: Any
    h: Any
    loss: float
    history: np.ndarray
    n_iter: int
    converged: bool


def factorise(steps: Steps, start: np.ndarray, rules: Rules) -> Run:
    """Iterate from coefficients `start` (k, n) until the loss no longer falls."""
    g = steps.array(start)
    gram = steps.gram(g)
    history: list[float] = []
    best, best_g, best_h = math.inf, g, g
    converged, iteration = False, 0
    while iteration < rules.max_iter and not converged:
        iteration += 1
        h = steps.features(g, gram)
        if rules.count is not None:
            h = steps.keep_largest(h, rules.count)
        steps.rescale(g, h, gram)
        p, q = steps.products(h)
        if rules.solver == "mu":
            g = steps.multiplicative(g, p, q)
        else:
            g = steps.hals(g, p, q, sweeps=_SWEEPS)
        gram = steps.gram(g)
        if iteration % rules.check_every and iteration != rules.max_iter:
            continue
        history.append(max(steps.loss(g, p, q, gram) / steps.norm2, 0.0))
        if history[-1] < best:
            best, best_g, best_h = history[-1], steps.copy(g), h
        converged = _settled(history, rules)
        if not converged and steps.revive(g, p, q, gram):
            gram = steps.gram(g)
    return Run(best_g, best_h, best, np.array(history), iteration, converged)


def _settled(history: list[float], rules: Rules) -> bool:
    """Whether `patience` iterations brought no improvement above tol, or a tenth of it no change at all."""
    if rules.tol == 0.0:
        return False
    long = max(1, math.ceil(rules.patience / rules.check_every))
    if len(history) > long and min(history[:-long]) - min(history[-long:]) <= rules.tol:
        return True
    short = max(2, math.ceil(rules.patience / (10 * rules.check_every)))
    recent = history[-short - 1 :]
    return len(recent) > short and max(recent) - min(recent) <= _STILL * rules.tol
