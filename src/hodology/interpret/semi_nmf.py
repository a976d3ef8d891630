"""Semi-NMF: activations as non-negative mixtures of a few sparse, signed combinations of units.

With the activations of n samples (tokens) over d units in the rows of X, find k components with

    X ~ Y H,   Y (n x k) >= 0,   H (k x d) of either sign, ceil(p d) non-zero weights in each row.

In the paper's notation, samples in columns, A = X^T ~ Z Y^T with Z = H^T. Each iteration computes the features in closed
form, keeps the largest weights of each, moves the scale from coefficients to features, and updates the
coefficients, multiplicatively as in the paper (``solver="mu"``) or by exact coordinate descent (``"hals"``), which
lowers the same objective ||X - Y H||^2 in far fewer iterations.

References: Shafran, Geiger and Geva, "Decomposing MLP activations into interpretable features via semi-nonnegative matrix
factorization", 2025; Ding, Li and Jordan, "Convex and semi-nonnegative matrix factorizations", IEEE TPAMI, 2010;
Cichocki and Phan, "Fast local algorithms for large scale nonnegative matrix and tensor factorizations", IEICE
Transactions, 2009.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from hodology.errors import InputError
from hodology.interpret.semi_nmf_estimator import Estimator
from hodology.interpret.semi_nmf_fit import best_coefficients, place, run_restarts, squared_residual
from hodology.interpret.semi_nmf_init import InitName, check_init
from hodology.interpret.semi_nmf_input import (
    check_choice,
    check_count,
    check_share,
    check_width,
    mean_square,
    to_host,
    to_matrix,
)
from hodology.interpret.semi_nmf_loop import Rules, Run, Solver
from hodology.interpret.semi_nmf_match import ComponentMatch, match_components
from hodology.rng import check_seed

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ComponentMatch", "SemiNMF", "match_components"]

Backend = Literal["torch", "numpy"]
FloatName = Literal["float32", "float64"]


class SemiNMF(Estimator):
    """Semi-non-negative matrix factorisation with sparse components; a scikit-learn transformer.

    Use it on a matrix of activations to find features that are groups of units, each read by looking at the
    samples with the largest coefficient.

    Parameters
    ----------
    n_components : int
        k, at most the number of samples and of features.
    sparsity : float in (0, 1], optional
        p, the share of weights that a component keeps: ceil(p d) (paper: 0.01). Weights that tie with the smallest
        one kept are all kept. None or 1.0 for dense components.
    init : {"random", "svd", "kmeans"} or ndarray, shape (n_samples, n_components)
        Coefficients to start from, raised to 1e-6: uniform draws, the positive part of the leading singular
        vectors, membership after 15 rounds of k-means, or an array.
    solver : {"hals", "mu"}
        How coefficients are updated: coordinate descent, or the paper's multiplicative rule.
    max_iter : int
        Iterations at most (paper: 2000 to 200,000).
    tol : float
        Improvements up to this share of ||X||^2 count as none; 0 runs all iterations.
    patience : int
        Stop when so many iterations brought no improvement, or when a tenth as many changed nothing (a thousandth of
        `tol`). Coordinate descent rarely needs more than 50.
    restarts : int
        Starts from independent draws (``"random"`` and ``"kmeans"`` only); the best is kept.
    random_state : int
        Seed; every restart has a stream of its own, so more restarts do not change the first ones.
    backend : {"torch", "numpy"}
        What computes. Both start alike and agree to rounding.
    dtype : {"float32", "float64"}
        Of the iterations and the results.
    check_every : int
        Iterations between looks at the loss; only iterates that are looked at can be the one kept.
    device : str
        ``"cpu"`` or a CUDA device, of the torch backend; X is moved there.

    Attributes
    ----------
    components_ : ndarray, shape (n_components, n_features)
        H. The strength of a component lies in its norm, see `coefficients_`. A feature that is zero in every sample
        has weight exactly 0.
    coefficients_ : ndarray, shape (n_samples, n_components)
        Y >= 0, the exact non-negative least-squares solution for `components_`; every column has unit norm, unless
        the component is not used at all.
    reconstruction_err_ : float
        ||X - Y H||, computed directly.
    explained_ : float
        1 - ||X - Y H||^2 / ||X||^2.
    n_iter_ : int
        Iterations of the best restart.
    converged_ : bool
        Whether it stopped before `max_iter`.
    loss_history_ : float ndarray, shape (checks,)
        ||X - Y H||^2 of the best restart at every check; from sums of float64 over products in `dtype`, so good to
        about 1e-7 ||X||^2 in float32, less where large components cancel each other.
    restart_losses_ : float ndarray, shape (restarts,)
        Least loss of each restart at its checks.
    n_features_in_ : int

    Notes
    -----
    Without winner-take-all the loss does not rise, but for about 1e-6 of ||X||^2 through the ridge of the closed form;
    with it, it may, and the best iterate is kept rather than the last. A component that coordinate descent leaves
    without any coefficient is given to the sample explained worst. Equal seeds give equal bits for the same data,
    backend and number of threads.

    Data of the right `dtype` are used in place, memory-mapped ones too, with one exception: up to ``sparsity=0.02`` on a
    CPU a transposed copy is made, which saves a third of the time, unless X is in Fortran order or
    memory-mapped. Dense fits with at least twice as many features as samples run on an orthogonal reduction of the
    features, which leaves every distance as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from hodology.rng import stream
    >>> x = stream(0, "example").random((40, 3)) @ np.eye(3, 10)
    >>> model = SemiNMF(3, sparsity=0.1).fit(x)
    >>> np.count_nonzero(model.components_, axis=1)
    array([1, 1, 1])
    >>> bool(model.explained_ > 0.999)
    True
    """

    components_: np.ndarray
    coefficients_: np.ndarray
    reconstruction_err_: float
    explained_: float
    n_iter_: int
    converged_: bool
    loss_history_: np.ndarray
    restart_losses_: np.ndarray
    n_features_in_: int

    def __init__(
        self,
        n_components: int,
        *,
        sparsity: float | None = None,
        init: InitName | np.ndarray = "random",
        solver: Solver = "hals",
        max_iter: int = 2000,
        tol: float = 1e-4,
        patience: int = 500,
        restarts: int = 1,
        random_state: int = 0,
        backend: Backend = "torch",
        dtype: FloatName = "float32",
        check_every: int = 10,
        device: str = "cpu",
    ) -> None:
        self.n_components = n_components
        self.sparsity = sparsity
        self.init = init
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.patience = patience
        self.restarts = restarts
        self.random_state = random_state
        self.backend = backend
        self.dtype = dtype
        self.check_every = check_every
        self.device = device

    def fit(self, X: np.ndarray | Tensor, y: object = None) -> SemiNMF:
        """Factorise X.

        Parameters
        ----------
        X : ndarray, memory-mapped array or Tensor, shape (n_samples, n_features)
            Rows are samples; never written to. Neither centred nor scaled: put scikit-learn's `Normalizer` before it in
            a pipeline for samples of unit norm.
        y : ignored
            For scikit-learn's pipelines.

        Raises
        ------
        InputError
            For X that is no finite dense matrix or zero altogether, fewer samples or features than components, or
            settings out of range.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            When `max_iter` ended the run and `tol` is not 0.
        """
        del y
        share = self._check_settings()
        x = to_matrix(X, dtype=self.dtype)
        self._check_shapes(x.shape)
        square = mean_square(x)
        if square == 0.0:
            raise InputError(
                "X must have an entry that is not zero (rows are samples and columns are features)."
            )
        x = place(x, backend=self.backend, device=self.device)
        count = None if share == 1.0 else math.ceil(share * x.shape[1] - 1e-9)
        best, components, losses = run_restarts(
            x,
            square=square,
            n_components=self.n_components,
            init=self.init,
            rules=Rules(count, self.solver, self.max_iter, self.tol, self.patience, self.check_every),
            restarts=self.restarts,
            seed=self.random_state,
            copy=not isinstance(X, np.memmap),
        )
        self._keep(x, best, components, square)
        self.restart_losses_ = np.array(losses) * square * x.shape[0] * x.shape[1]
        if not self.converged_ and self.tol > 0:
            _warn_of_limit(self.max_iter, self.patience)
        return self

    def fit_transform(self, X: np.ndarray | Tensor, y: object = None) -> np.ndarray | Tensor:
        """Factorise X and return its coefficients, as `transform` would."""
        return self._as_given(self.fit(X, y).coefficients_, X)

    def transform(self, X: np.ndarray | Tensor) -> np.ndarray | Tensor:
        """Non-negative least-squares coefficients of samples for the components as they are.

        Parameters
        ----------
        X : ndarray or Tensor, shape (n_samples, n_features)
            Rows are samples.

        Returns
        -------
        ndarray or Tensor, as X, shape (n_samples, n_components)
            Exact to rounding, whatever the solver of the fit.

        Raises
        ------
        InputError
            When not fitted, or X is no finite dense matrix of that width.
        """
        self._require_fitted()
        x = to_matrix(X, dtype=self.dtype)
        check_width(x, self.n_features_in_, type(self).__name__)
        mean_square(x)
        x = place(x, backend=self.backend, device=self.device)
        return self._as_given(best_coefficients(x, self.components_).astype(self.dtype), X)

    def inverse_transform(self, X: np.ndarray | Tensor) -> np.ndarray | Tensor:
        """Activations Y H of coefficients Y, shape (n_samples, n_components); as an array or tensor, like them.

        Raises
        ------
        InputError
            When not fitted, or there is not one coefficient per component.
        """
        self._require_fitted()
        y = to_matrix(X, dtype=self.dtype)
        if y.shape[1] != len(self.components_):
            raise InputError(
                f"coefficients must have {len(self.components_)} columns, one per component (rows are samples), "
                f"got shape {tuple(y.shape)}."
            )
        return self._as_given(to_host(y) @ self.components_, X)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Names of the columns of `transform`: ``seminmf0``, ``seminmf1`` ..."""
        del input_features
        self._require_fitted()
        return np.array([f"seminmf{i}" for i in range(len(self.components_))], dtype=object)

    def _check_settings(self) -> float:
        """Raise for settings out of range; the share of weights that stay."""
        for name in ("n_components", "max_iter", "patience", "restarts", "check_every"):
            check_count(getattr(self, name), name)
        check_choice(self.solver, get_args(Solver), "solver")
        check_choice(self.backend, get_args(Backend), "backend")
        check_choice(self.dtype, get_args(FloatName), "dtype")
        check_share(self.tol, "tol", zero=True)
        check_seed(self.random_state)
        return 1.0 if self.sparsity is None else check_share(self.sparsity, "sparsity")

    def _check_shapes(self, shape: tuple[int, ...]) -> None:
        n, d = shape
        rows = "rows are samples and columns are features"
        if n < self.n_components:
            raise InputError(
                f"X must have at least n_components={self.n_components} samples ({rows}), got n_samples = {n}; "
                f"is X transposed?"
            )
        if d < self.n_components:
            raise InputError(
                f"n_components must be at most the number of features ({rows}), got {self.n_components} for {d}."
            )
        check_init(self.init, (n, self.n_components), restarts=self.restarts)

    def _keep(self, x: Any, best: Run, components: np.ndarray, square: float) -> None:
        """Set the attributes: exact coefficients of unit norm, the norms moved to the components."""
        total = square * x.shape[0] * x.shape[1]
        coefficients = best_coefficients(x, components, start=to_host(best.g).T)
        norm = np.linalg.norm(coefficients, axis=0)
        norm[norm == 0.0] = 1.0
        self.components_ = np.asarray(components * norm[:, None], dtype=self.dtype)
        self.coefficients_ = np.asarray(coefficients / norm, dtype=self.dtype)
        error2 = squared_residual(x, self.coefficients_, self.components_)
        self.reconstruction_err_ = math.sqrt(error2)
        self.explained_ = 1.0 - error2 / total
        self.n_iter_, self.converged_ = best.n_iter, best.converged
        self.loss_history_ = best.history * total
        self.n_features_in_ = x.shape[1]

    @staticmethod
    def _as_given(value: np.ndarray, given: Any) -> np.ndarray | Tensor:
        """A tensor on the device of `given` if that is one, else the array."""
        if isinstance(given, np.ndarray) or not hasattr(given, "new_tensor"):
            return value
        import torch

        return torch.from_numpy(value).to(given.device)


def _warn_of_limit(max_iter: int, patience: int) -> None:
    from sklearn.exceptions import ConvergenceWarning

    warnings.warn(
        f"semi-NMF ran all max_iter={max_iter} iterations without {patience} (patience) in a row that improved it by "
        f"less than tol; raise max_iter or tol, or set tol=0 to run max_iter iterations on purpose.",
        ConvergenceWarning,
        stacklevel=3,
    )
