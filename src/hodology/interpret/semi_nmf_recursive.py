"""Recursive semi-NMF: factor the data, then the components, then theirs: X ~ W1 H1, H1 ~ W2 H2, ... with fewer each time.

Concept j of layer l relates to the samples through column j of M = W1 W2 ... Wl and to the concepts below through
column j of Wl. All W are non-negative. Here the components of every layer have unit norm and the weights carry
the scale, so that weights on different components compare.

Reference: Shafran, Geiger and Geva, "Decomposing MLP activations into interpretable features via semi-nonnegative matrix
factorization", 2025.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from hodology.errors import InputError
from hodology.interpret.semi_nmf import SemiNMF
from hodology.interpret.semi_nmf_estimator import Estimator
from hodology.interpret.semi_nmf_fit import best_coefficients, place, squared_residual
from hodology.interpret.semi_nmf_input import (
    check_choice,
    check_count,
    check_share,
    check_width,
    mean_square,
    to_matrix,
)
from hodology.interpret.semi_nmf_tuning import Constraint, tune

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FactorLayer", "RecursiveSemiNMF"]


@dataclass(frozen=True, eq=False, repr=False)
class FactorLayer:
    """One layer of a recursive factorisation.

    Attributes
    ----------
    weights : ndarray, shape (lower, concepts)
        W >= 0; `lower` are the samples for the first layer, the concepts of the layer below for the others.
    components : ndarray, shape (concepts, features)
        H, rows of unit norm (or zero).
    explained : float
        1 - ||X - M H||^2 / ||X||^2, with M the product of the weights up to here.
    """

    weights: np.ndarray
    components: np.ndarray
    explained: float

    def __repr__(self) -> str:
        return f"FactorLayer(weights={self.weights.shape}, components={self.components.shape})"


class RecursiveSemiNMF(Estimator):
    """A hierarchy of features: semi-NMF of the data, of its components, and so on.

    Parameters
    ----------
    ranks : sequence of int
        Concepts of each layer, strictly falling, for example ``(400, 200, 100, 50)``.
    estimator : SemiNMF, optional
        Settings of every layer (solver, sparsity, backend ...); its `n_components` is not used. Default
        ``SemiNMF(ranks[0])``.
    sparsities : sequence of float or None, optional
        Share of weights that the components of each layer keep, where that should differ between layers.
    unit_norm : bool
        Factor the components at unit norm, so that strong ones do not drown the weak. False factors them as they
        come out, as the paper does.
    tune_steps : int
        Steps of joint fine-tuning of all W and the last H (paper: 500 to 2500); 0 for none.
    learning_rate : float
        Of Adam, on matrices scaled to entries of about 1 (paper: 1e-3).
    constraint : {"clamp", "softplus"}
        What keeps W non-negative while tuning, which plain Adam would not: set negative entries to 0 after each step,
        or tune the arguments of a softplus (then none is exactly 0).

    Attributes
    ----------
    layers_ : tuple of FactorLayer
        After tuning, the components of the lower layers are what the layers above make of them, H_l = W_(l+1) H_(l+1),
        and no longer exactly sparse; the last ones keep their zeros.
    maps_ : tuple of ndarray, each (samples, concepts)
        M = W1 W2 ... Wl of each layer: how strongly a concept is on in each sample.
    estimators_ : tuple of SemiNMF
        The factorisations as fitted, before tuning.
    reconstruction_err_, explained_ : float
        Of X by the last layer, M H.
    tuning_losses_ : float ndarray, shape (tune_steps,)
        Mean squared error before each step.
    n_features_in_ : int

    Examples
    --------
    >>> from hodology.rng import stream
    >>> x = stream(0, "example").random((60, 8)) @ stream(1, "example").standard_normal((8, 20))
    >>> model = RecursiveSemiNMF((6, 3), estimator=SemiNMF(6, sparsity=0.2)).fit(x)
    >>> [m.shape for m in model.maps_]
    [(60, 6), (60, 3)]
    """

    layers_: tuple[FactorLayer, ...]
    maps_: tuple[np.ndarray, ...]
    estimators_: tuple[SemiNMF, ...]
    reconstruction_err_: float
    explained_: float
    tuning_losses_: np.ndarray
    n_features_in_: int

    def __init__(
        self,
        ranks: Sequence[int],
        *,
        estimator: SemiNMF | None = None,
        sparsities: Sequence[float | None] | None = None,
        unit_norm: bool = True,
        tune_steps: int = 0,
        learning_rate: float = 1e-3,
        constraint: Constraint = "clamp",
    ) -> None:
        self.ranks = ranks
        self.estimator = estimator
        self.sparsities = sparsities
        self.unit_norm = unit_norm
        self.tune_steps = tune_steps
        self.learning_rate = learning_rate
        self.constraint = constraint

    def fit(self, X: np.ndarray | Tensor, y: object = None) -> RecursiveSemiNMF:
        """Factor X, shape (n_samples, n_features), layer by layer; rows are samples.

        Raises
        ------
        InputError
            For settings out of range, and for what `SemiNMF.fit` refuses.
        """
        del y
        base = self._check_settings()
        data: Any = X
        fitted: list[SemiNMF] = []
        weights: list[np.ndarray] = []
        for layer, rank in enumerate(self.ranks):
            model = SemiNMF(**(base.get_params() | {"n_components": int(rank)}))
            if self.sparsities is not None:
                model.sparsity = self.sparsities[layer]
            fitted.append(model.fit(data))
            norm = _norms(model.components_)
            unit = model.components_ / norm[:, None]
            above = model.coefficients_ * norm
            if weights and not self.unit_norm:  # rows of the data were not of unit norm
                above = above / _norms(fitted[-2].components_)[:, None]
            weights.append(above)
            data = unit if self.unit_norm else model.components_
        self.estimators_ = tuple(fitted)
        x = place(to_matrix(X, dtype=base.dtype), backend="torch", device=base.device)
        self._keep(x, weights, [_unit(model.components_) for model in fitted])
        return self

    def transform(self, X: np.ndarray | Tensor, *, layer: int | None = None) -> np.ndarray:
        """How strongly the concepts of a layer are on in samples, float64 of shape (n_samples, concepts).

        Non-negative least squares for the components of the first layer, then W2 ... Wl.

        Parameters
        ----------
        X : ndarray or Tensor, shape (n_samples, n_features)
        layer : int, optional
            From 1; default the last.
        """
        self._require_fitted()
        last = len(self.layers_) if layer is None else check_count(layer, "layer")
        if last > len(self.layers_):
            raise InputError(f"layer must be 1 to {len(self.layers_)}, got {last}.")
        x = to_matrix(X, dtype=self.estimators_[0].dtype)
        check_width(x, self.n_features_in_, type(self).__name__)
        mean_square(x)
        out = best_coefficients(x, self.layers_[0].components)
        for above in self.layers_[1:last]:
            out = out @ above.weights
        return out

    def _check_settings(self) -> SemiNMF:
        ranks = [check_count(rank, "ranks") for rank in self.ranks]
        if not ranks or any(b >= a for a, b in zip(ranks, ranks[1:])):
            raise InputError(f"ranks must fall strictly, at least one, got {tuple(self.ranks)}.")
        if self.sparsities is not None and len(self.sparsities) != len(ranks):
            raise InputError(
                f"sparsities must be one per layer ({len(ranks)}), got {len(self.sparsities)}: {self.sparsities!r}."
            )
        if self.tune_steps != 0:
            check_count(self.tune_steps, "tune_steps")
        check_share(self.learning_rate, "learning_rate")
        check_choice(self.constraint, get_args(Constraint), "constraint")
        base = SemiNMF(ranks[0]) if self.estimator is None else self.estimator
        if not isinstance(base, SemiNMF):
            raise InputError(f"estimator must be a SemiNMF, got {type(base).__name__}.")
        if not isinstance(base.init, str):
            raise InputError("init must be a name for a recursive factorisation, got an array for one layer.")
        return base

    def _keep(self, x: Any, weights: list[np.ndarray], components: list[np.ndarray]) -> None:
        self.tuning_losses_ = np.zeros(0)
        if self.tune_steps:
            weights, last, losses = tune(
                x,
                weights,
                components[-1],
                steps=self.tune_steps,
                learning_rate=self.learning_rate,
                constraint=self.constraint,
            )
            weights, components = _rescaled(weights, last)
            self.tuning_losses_ = losses
        total = mean_square(x) * x.shape[0] * x.shape[1]
        maps: list[np.ndarray] = []
        layers: list[FactorLayer] = []
        error2 = 0.0
        for own, rows in zip(weights, components, strict=True):
            maps.append(own if not maps else maps[-1] @ own)
            error2 = squared_residual(x, maps[-1], rows)
            layers.append(FactorLayer(own, rows, 1.0 - error2 / total))
        self.maps_, self.layers_ = tuple(maps), tuple(layers)
        self.reconstruction_err_, self.explained_ = math.sqrt(error2), layers[-1].explained
        self.n_features_in_ = x.shape[1]


def _norms(rows: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(rows, axis=1)
    return np.where(norm > 0.0, norm, 1.0)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / _norms(rows)[:, None]


def _rescaled(weights: list[np.ndarray], last: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Components of every layer from the last ones, all at unit norm, the scale in the weights."""
    components = [last]
    for own in reversed(weights[1:]):
        components.insert(0, own @ components[0])
    norms = [_norms(rows) for rows in components]
    scaled = [
        own * norm / (1.0 if i == 0 else norms[i - 1][:, None])
        for i, (own, norm) in enumerate(zip(weights, norms, strict=True))
    ]
    return scaled, [rows / norm[:, None] for rows, norm in zip(components, norms, strict=True)]
