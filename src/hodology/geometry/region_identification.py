"""Which region, or layer, does a representation come from? Nearest centroid, one subject (or seed) left out.

The centroid of a region is the mean transformed matrix over the other subjects; each matrix of the subject that was left
out gets the region of the nearest centroid (Euclidean). Two matrices of a subject may get the same region. Chance is one
over the number of regions.

Reference: Lin and Kriegeskorte, "The topology and geometry of neural representations", PNAS 2024.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.files import write_arrays
from hodology.geometry.ranks import rank_minmax
from hodology.geometry.rdm_reading import Missing
from hodology.geometry.rdms import RDMs, as_rdms
from hodology.geometry.region_layout import RegionLayout, accuracies, centroid_distances, read_layout
from hodology.geometry.topological_rdm import TopologicalRDM

__all__ = ["IdentificationResult", "Transform", "identify_regions", "read_labelled", "transformed_rows"]

Transform = str | TopologicalRDM | Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, repr=False, eq=False)
class IdentificationResult:
    """How well regions are identified.

    Attributes
    ----------
    accuracy : float
        Share of matrices whose region is found.
    chance : float
        One over the number of regions.
    regions, subjects : tuple
    confusion : int64 ndarray, shape (regions, regions)
        True region by predicted region.
    predicted : tuple
        Region found for each matrix, in the order given.
    per_subject : float64 ndarray, shape (subjects,)
        Accuracy of each subject when it is left out.
    within, across : float64 ndarray, shape (subjects,)
        Mean Euclidean distance of a subject's matrices to those of the same region, and of other regions, in other
        subjects.
    """

    accuracy: float
    chance: float
    regions: tuple[Any, ...]
    subjects: tuple[Any, ...]
    confusion: np.ndarray
    predicted: tuple[Any, ...]
    per_subject: np.ndarray
    within: np.ndarray
    across: np.ndarray

    def __repr__(self) -> str:
        return (
            f"IdentificationResult(accuracy={self.accuracy:.3f}, chance={self.chance:.3f}, "
            f"{len(self.regions)} regions, {len(self.subjects)} subjects)"
        )

    @property
    def ratio(self) -> np.ndarray:
        """Within over across of each subject: below 1 where regions are alike across subjects."""
        return self.within / self.across

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "accuracy": self.accuracy,
            "chance": self.chance,
            "regions": list(self.regions),
            "subjects": list(self.subjects),
            "confusion": self.confusion.tolist(),
            "predicted": list(self.predicted),
            "per_subject": self.per_subject.tolist(),
            "within": self.within.tolist(),
            "across": self.across.tolist(),
        }

    def save(self, path: str) -> None:
        """Write the numbers to an ``.npz`` file (labels as text)."""
        write_arrays(
            path,
            {
                "accuracy": np.array(self.accuracy),
                "confusion": self.confusion,
                "per_subject": self.per_subject,
                "within": self.within,
                "across": self.across,
                "regions": np.array([str(r) for r in self.regions]),
                "subjects": np.array([str(s) for s in self.subjects]),
                "predicted": np.array([str(r) for r in self.predicted]),
            },
        )


def identify_regions(
    rdms: Any,
    subject: Sequence[Any] | np.ndarray | str = "subject",
    region: Sequence[Any] | np.ndarray | str = "region",
    *,
    transform: Transform = "rank",
    missing: Missing = "error",
) -> IdentificationResult:
    """Identify the region of every matrix from the other subjects.

    Parameters
    ----------
    rdms : array-like, RDMs or rsatoolbox.rdm.RDMs
        One matrix per subject and region, or several (sessions).
    subject, region : sequence, pandas column, or str
        A label per matrix; text names a descriptor of `rdms`.
    transform : {"raw", "rank"}, TopologicalRDM, or callable
        "raw" takes dissimilarities as they are, so their scale counts. A callable takes and returns (matrices, pairs).
    missing : {"error", "drop", "impute"}
        What to do about NaN.

    Returns
    -------
    IdentificationResult

    Warns
    -----
    UserWarning
        When a subject lacks a region, with counts; what is there is identified.

    Raises
    ------
    UnknownNameError
        For a transform or descriptor that does not exist.
    InputError
        For one subject, one region, a region of one subject, labels of another number, and what `as_rdms` refuses.
    """
    read, layout = read_labelled(rdms, subject, region, missing=missing)
    x = transformed_rows(read.values[layout.order], transform)
    predicted, accuracy = accuracies(centroid_distances(x, layout), layout)
    n_regions, n_subjects = len(layout.regions), len(layout.subjects)
    confusion = np.zeros((n_regions, n_regions), dtype=np.int64)
    np.add.at(confusion, (layout.region, predicted), 1)
    right = np.bincount(layout.subject, weights=predicted == layout.region, minlength=n_subjects)
    within, across = _spreads(x, layout)
    found = np.empty(len(predicted), dtype=np.int64)
    found[layout.order] = predicted
    return IdentificationResult(
        accuracy=accuracy,
        chance=1.0 / n_regions,
        regions=layout.regions,
        subjects=layout.subjects,
        confusion=confusion,
        predicted=tuple(layout.regions[k] for k in found),
        per_subject=right / layout.counts.sum(axis=1),
        within=within,
        across=across,
    )


def read_labelled(
    rdms: Any,
    subject: Sequence[Any] | np.ndarray | str,
    region: Sequence[Any] | np.ndarray | str,
    *,
    missing: Missing = "error",
) -> tuple[RDMs, RegionLayout]:
    """Matrices with the layout of their labels (see `identify_regions`)."""
    if missing == "keep":
        raise InputError("missing values have no distance; pass missing='drop' or 'impute'.")
    read = as_rdms(rdms, missing=missing)
    labels = [
        _labels(read.descriptors, what, given) for what, given in (("subject", subject), ("region", region))
    ]
    return read, read_layout(*labels, count=len(read))


def transformed_rows(values: np.ndarray, transform: Transform) -> np.ndarray:
    """Rows (matrices, pairs) in float64 after a transform.

    Raises
    ------
    UnknownNameError
        For text other than "raw" and "rank".
    InputError
        When a callable gives another shape, or values that are not finite.
    """
    rows = np.array(values, dtype=np.float64)
    if isinstance(transform, str):
        if transform not in ("raw", "rank"):
            raise UnknownNameError(
                f"transform {transform!r} does not exist{near_names(transform, ('raw', 'rank'))}."
            )
        return rows if transform == "raw" else rank_minmax(rows)
    if isinstance(transform, TopologicalRDM):
        read = as_rdms(rows, form="condensed")
        return np.asarray(transform.transform(read).values)
    found = np.asarray(transform(rows.copy()), dtype=np.float64)
    if found.shape[:1] != rows.shape[:1] or found.ndim != 2 or not np.isfinite(found).all():
        raise InputError(
            f"transform must give finite rows for {len(rows)} matrices, got shape {found.shape}."
        )
    return found


def _labels(
    descriptors: Mapping[str, Sequence[Any]], what: str, given: Sequence[Any] | np.ndarray | str
) -> list[Any]:
    """Labels as given, or those of a descriptor."""
    if not isinstance(given, str):
        return list(given)
    if given not in descriptors:
        raise UnknownNameError(
            f"{what} {given!r} is no descriptor of the matrices{near_names(given, descriptors)}; "
            "pass a label for each matrix."
        )
    return list(descriptors[given])


def _spreads(x: np.ndarray, layout: RegionLayout) -> tuple[np.ndarray, np.ndarray]:
    """Mean distances to matrices of the same and of other regions in other subjects."""
    squares = np.einsum("ip,ip->i", x, x)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0.0))
    others = layout.subject[:, None] != layout.subject
    same = layout.region[:, None] == layout.region
    within, across = np.empty(len(layout.subjects)), np.empty(len(layout.subjects))
    for s in range(len(layout.subjects)):
        rows = (layout.subject == s)[:, None] & others
        within[s] = distances[rows & same].mean()
        across[s] = distances[rows & ~same].mean()
    return within, across
