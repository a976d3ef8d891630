"""Quadrature rules on [0, 1] for integrals along a straight line."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names

__all__ = ["Rule", "quadrature"]

Rule = Literal["left", "right", "midpoint", "trapezoid", "gauss-legendre"]


def quadrature(rule: Rule, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of a rule on [0, 1].

    Parameters
    ----------
    rule : {"left", "right", "midpoint", "trapezoid", "gauss-legendre"}
        ``"left"`` is the Riemann sum of the paper (nodes k/n, k = 0 .. n-1: the end point is never visited);
        ``"gauss-legendre"`` is exact for polynomials of degree 2n - 1 and needs far fewer nodes.
    n_steps : int
        Number of nodes, at least 1 (at least 2 for the trapezoid).

    Returns
    -------
    nodes, weights : ndarray of float64, shape (n_steps,)
        Weights are positive and sum to 1.

    Raises
    ------
    InputError
        When `n_steps` is too small or not an integer.
    UnknownNameError
        When the rule does not exist.

    Examples
    --------
    >>> nodes, weights = quadrature("left", 4)
    >>> nodes.tolist(), weights.tolist()
    ([0.0, 0.25, 0.5, 0.75], [0.25, 0.25, 0.25, 0.25])
    """
    if rule not in get_args(Rule):
        raise UnknownNameError(f"rule {rule!r} is not a quadrature rule{near_names(rule, get_args(Rule))}.")
    least = 2 if rule == "trapezoid" else 1
    if isinstance(n_steps, bool) or not isinstance(n_steps, (int, np.integer)) or n_steps < least:
        raise InputError(f"steps must be an integer of at least {least}, got {n_steps!r}.")
    n = int(n_steps)
    if rule == "gauss-legendre":
        nodes, weights = np.polynomial.legendre.leggauss(n)
        return (nodes + 1.0) / 2.0, weights / 2.0
    if rule == "trapezoid":
        weights = np.full(n, 1.0 / (n - 1))
        weights[[0, -1]] /= 2.0
        return np.linspace(0.0, 1.0, n), weights
    offset = {"left": 0.0, "midpoint": 0.5, "right": 1.0}[rule]
    return (np.arange(n) + offset) / n, np.full(n, 1.0 / n)
