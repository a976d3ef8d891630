"""Directions that features are compared with: labels, chance, single units, and the classical decompositions.

Every function takes a table of activations (or its matrix) and returns unit directions, float32, ``(k, units)``, in the
activations' own space, so that detecting, reading and steering treat them like the components of semi-NMF. `project`
gives their coefficients on tokens. Directions of PCA and ICA have no sign of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.activation_table import ActivationTable, code_labels
from hodology.interpret.concept_match import concept_auroc
from hodology.interpret.feature_output import unit_directions
from hodology.interpret.feature_reading import feature_matrix
from hodology.interpret.semi_nmf_input import check_count
from hodology.rng import derive_seed, stream

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "best_units",
    "difference_of_means",
    "independent_components",
    "principal_components",
    "project",
    "random_directions",
    "single_units",
]


def difference_of_means(
    table: ActivationTable | np.ndarray | Tensor,
    labels: Sequence[Any] | np.ndarray | None = None,
    *,
    neutral: str | int | None = None,
) -> np.ndarray:
    """One direction per label: the mean of its tokens less that of the neutral ones (DiffMean; supervised).

    Parameters
    ----------
    table : ActivationTable, ndarray or Tensor, shape (tokens, units)
    labels : sequence of int, str or None, shape (tokens,), optional
        Default the table's. Tokens of label -1 or None are left out.
    neutral : str or int, optional
        The label of neutral texts, which gets no direction; by default the tokens of all other labels are neutral.

    Returns
    -------
    float32 ndarray, shape (labels, units)
        In ascending order of the labels' codes (texts: by first appearance).

    Raises
    ------
    InputError
        Without two labels, or when two means are equal.
    UnknownNameError
        When there is no label `neutral`.
    """
    matrix, index, names = _labelled(table, labels)
    one_hot = (index[:, None] == np.arange(len(names))).astype(np.float64)
    counts, sums = one_hot.sum(axis=0)[:, None], one_hot.T @ matrix
    if neutral is None:
        rest = (sums.sum(axis=0) - sums) / (len(matrix) - counts)
        found = sums / counts - rest
    else:
        if neutral not in names:
            raise UnknownNameError(
                f"neutral {neutral!r} is no label{near_names(str(neutral), [str(name) for name in names])}."
            )
        at = names.index(neutral)
        found = np.delete(sums / counts - sums[at] / counts[at], at, axis=0)
    if not found.any(axis=1).all():
        raise InputError("the means of a label and of the neutral tokens are equal; they have no difference.")
    return unit_directions(found).numpy()


def random_directions(table: ActivationTable | np.ndarray | Tensor, k: int, *, rng: int = 0) -> np.ndarray:
    """`k` directions drawn uniformly from the sphere; a larger `k` keeps those of a smaller one."""
    width = _matrix(table).shape[1]
    return unit_directions(stream(rng, "random-directions").normal(size=(check_count(k, "k"), width))).numpy()


def single_units(table: ActivationTable | np.ndarray | Tensor, k: int) -> np.ndarray:
    """The axes of the `k` units of largest variance, the most varying first."""
    matrix = _matrix(table)
    _check_rank(k, matrix.shape[1], "units")
    order = np.argsort(-matrix.var(axis=0), kind="stable")[:k]
    return _axes(order, matrix.shape[1])


def best_units(
    table: ActivationTable | np.ndarray | Tensor, labels: Sequence[Any] | np.ndarray | None = None
) -> np.ndarray:
    """The axis of the unit that tells each label best by AUROC (supervised), in the order of `difference_of_means`."""
    matrix, index, names = _labelled(table, labels)
    return _axes(concept_auroc(matrix, index, len(names)).argmax(axis=0), matrix.shape[1])


def principal_components(table: ActivationTable | np.ndarray | Tensor, k: int, *, rng: int = 0) -> np.ndarray:
    """The first `k` principal components (scikit-learn's PCA), by falling variance."""
    from sklearn.decomposition import PCA

    matrix = _matrix(table)
    _check_rank(k, min(matrix.shape), "tokens and units")
    seed = derive_seed(rng, "pca") % 2**32
    return unit_directions(PCA(k, random_state=seed).fit(matrix).components_).numpy()


def independent_components(
    table: ActivationTable | np.ndarray | Tensor, k: int, *, max_iter: int = 500, rng: int = 0
) -> np.ndarray:
    """`k` independent components (scikit-learn's FastICA after whitening).

    The columns of the mixing matrix are returned: what a component adds to the activations, as components of semi-NMF
    do. Whether the iteration converged is told by scikit-learn's ``ConvergenceWarning``.

    Parameters
    ----------
    table : ActivationTable, ndarray or Tensor, shape (tokens, units)
    k : int
    max_iter : int
    rng : int
    """
    from sklearn.decomposition import FastICA

    matrix = _matrix(table)
    _check_rank(k, min(matrix.shape), "tokens and units")
    seed = derive_seed(rng, "ica") % 2**32
    model = FastICA(k, whiten="unit-variance", max_iter=max_iter, random_state=seed).fit(matrix)
    return unit_directions(model.mixing_.T).numpy()


def project(table: ActivationTable | np.ndarray | Tensor, directions: np.ndarray | Tensor) -> np.ndarray:
    """Length of every token's activity along unit directions, float32, ``(tokens, k)``.

    Raises
    ------
    InputError
        When directions have another width than the activations.
    """
    matrix = table.matrix if isinstance(table, ActivationTable) else _matrix(table)
    unit = unit_directions(directions, matrix.shape[1]).numpy()
    return np.asarray(matrix @ unit.T, dtype=np.float32)


def _matrix(table: ActivationTable | np.ndarray | Tensor) -> np.ndarray:
    return feature_matrix(table.matrix if isinstance(table, ActivationTable) else table, None, "table")


def _labelled(
    table: ActivationTable | np.ndarray | Tensor, labels: Sequence[Any] | np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    """Activity of the labelled tokens, the index of each one's label, and the labels."""
    given = table.labels if labels is None and isinstance(table, ActivationTable) else labels
    if given is None:
        raise InputError("directions from labels need labels: pass them, or collect the table with labels.")
    coded, names = code_labels(given)
    if labels is None and isinstance(table, ActivationTable):
        names = table.label_names
    matrix = _matrix(table)
    if len(coded) != len(matrix):
        raise InputError(f"labels must be one per token ({len(matrix)}), got {len(coded)}.")
    known = coded >= 0
    codes, index = np.unique(coded[known], return_inverse=True)
    if len(codes) < 2:
        raise InputError(f"labels must name at least two concepts, got {len(codes)}.")
    return matrix[known], index, [names[c] if names else c for c in codes.tolist()]


def _axes(units: np.ndarray, width: int) -> np.ndarray:
    found = np.zeros((len(units), width), dtype=np.float32)
    found[np.arange(len(units)), units] = 1.0
    return found


def _check_rank(k: int, most: int, what: str) -> None:
    if check_count(k, "k") > most:
        raise InputError(f"k must be at most the number of {what} ({most}), got {k}.")
