"""Similarity of similarity matrices (SSM): do two populations find the same images alike?

    S_X[i, j] = Pearson correlation over units of the responses of X to image i and to image j
    SSM(X, Y) = Spearman correlation of S_X and S_Y over pairs of different images

The correlation runs over units (each image's row is standardised), not over images: the latter compares neurons. The
diagonal of ones tells nothing and inflates the value, so it is left out unless asked for.

Reference: Shi, Shea-Brown and Buice, "Comparison against task driven artificial neural networks reveals functional
organization of mouse visual cortex", NeurIPS 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.geometry.dissimilarity import dissimilarities
from hodology.geometry.patterns import Patterns, as_patterns
from hodology.geometry.rsa import compare_rows

__all__ = ["check_image_counts", "check_images", "similarity_matrix", "similarity_rows", "ssm", "ssm_matrix"]


def similarity_matrix(x: Any) -> np.ndarray:
    """Pearson correlations between images, over units.

    Parameters
    ----------
    x : Patterns or anything `as_patterns` reads, shape (images, units)

    Returns
    -------
    float64 ndarray, shape (images, images)
        Ones on the diagonal.

    Raises
    ------
    InputError
        For images with the same response of all units, whose correlation is undefined (they are named), and for what
        `as_patterns` refuses.

    Examples
    --------
    >>> similarity_matrix([[0.0, 1.0, 2.0], [0.0, 2.0, 4.0], [1.0, 0.0, -1.0]]).round(6).tolist()
    [[1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]]
    """
    return 1.0 - dissimilarities(as_patterns(x), measure="correlation").square()[0].astype(np.float64)


def ssm(x: Any, y: Any, *, include_diagonal: bool = False) -> float:
    """Similarity of the similarity matrices of two populations.

    Parameters
    ----------
    x, y : Patterns or anything `as_patterns` reads, shape (images, units)
        Responses to the same images, in one order; units may differ in number.
    include_diagonal : bool
        True ranks the whole matrices, the diagonal of ones and both triangles, as early analyses did. Values are
        inflated then: unrelated populations do not have a mean of zero.

    Returns
    -------
    float
        Spearman's coefficient.

    Raises
    ------
    InputError
        For other numbers of images (with advice when one is the blank sweep), fewer than three, and images without
        variation over units.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(20, 50))
    >>> round(ssm(rows, 3.0 * rows + 1.0), 12)
    1.0
    """
    return float(ssm_matrix({"x": x}, {"y": y}, include_diagonal=include_diagonal)[0, 0])


def ssm_matrix(
    xs: Mapping[str, Any], ys: Mapping[str, Any] | None = None, *, include_diagonal: bool = False
) -> np.ndarray:
    """`ssm` of every population of `xs` with every one of `ys` (default `xs`): areas with layers, areas with areas.

    Returns
    -------
    float64 ndarray, shape (populations of xs, populations of ys)
    """
    first = similarity_rows(xs, include_diagonal=include_diagonal)
    second = first if ys is None else similarity_rows(ys, include_diagonal=include_diagonal)
    check_images(xs, xs if ys is None else ys)
    return compare_rows(first, second, measure="spearman")


def similarity_rows(xs: Mapping[str, Any], *, include_diagonal: bool = False) -> np.ndarray:
    """Similarity matrices as rows: pairs of different images in condensed order, or all cells with the diagonal.

    Returns
    -------
    float64 ndarray, shape (populations, pairs)
    """
    if not xs:
        raise InputError("at least one population is needed, got none.")
    sets = [as_patterns(x, name=str(name)) for name, x in xs.items()]
    for one in sets:
        check_image_counts(sets[0], one)
    if sets[0].n_stimuli < 3:
        raise InputError(f"similarity matrices need at least three images, got {sets[0].n_stimuli}.")
    if include_diagonal:
        return np.stack([similarity_matrix(one).ravel() for one in sets])
    return np.concatenate([1.0 - dissimilarities(one).values.astype(np.float64) for one in sets])


def check_images(xs: Mapping[str, Any], ys: Mapping[str, Any]) -> None:
    """Raise `InputError` when two sets of populations are not over one number of images."""
    (one, x), (two, y) = next(iter(xs.items())), next(iter(ys.items()))
    check_image_counts(as_patterns(x, name=str(one)), as_patterns(y, name=str(two)))


def check_image_counts(one: Patterns, two: Patterns) -> None:
    """Raise `InputError` for other numbers of images, or labels in another order."""
    first, second = one.n_stimuli, two.n_stimuli
    if first != second:
        advice = ": drop the blank, frame -1" if abs(first - second) == 1 else "; show both the same ones"
        raise InputError(f"{first} responses of {one.name!r} but {second} images of {two.name!r}{advice}.")
    if one.stimuli and two.stimuli and one.stimuli != two.stimuli:
        raise InputError(
            f"images of {one.name!r} and {two.name!r} have other labels or another order; use select_stimuli."
        )
