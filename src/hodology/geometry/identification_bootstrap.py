"""Bootstrap of region identification over subjects and stimuli jointly, one sequence of samples for all transforms.

A sample of stimuli is a row of counts c. Pairs of different stimuli occur c_i c_j times; pairs of two copies of one
stimulus are missing values, not zeros: zeros would be the same in all matrices and count as evidence. Ranks, quantiles
and distances are those of the resampled matrices, computed from weights without writing the matrices out. A subject
that is drawn several times is left out with all its copies.

Reference: Lin and Kriegeskorte, "The topology and geometry of neural representations", PNAS 2024.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.rdm_reading import Missing
from hodology.geometry.region_identification import Transform, read_labelled, transformed_rows
from hodology.geometry.region_layout import accuracies, centroid_distances
from hodology.geometry.resampled_regions import Duplicates, ResampledRegions
from hodology.geometry.rsa_resampling import count_stimuli, draw_stimuli
from hodology.geometry.topological_rdm import TopologicalRDM
from hodology.rng import stream

__all__ = ["IdentificationBootstrap", "Resampled", "bootstrap_identification", "draw_subjects"]

Resampled = Literal["both", "stimuli", "subjects"]
_SAMPLES = 8  # a thread takes so many at a time


@dataclass(frozen=True, repr=False, eq=False)
class IdentificationBootstrap:
    """Accuracies in every sample.

    Attributes
    ----------
    names : tuple of str
        Of the transforms.
    estimate : float64 ndarray, shape (transforms,)
        On the data as they are.
    values : float64 ndarray, shape (samples, transforms)
        Columns are paired: the same samples for all transforms.
    chance : float
    n_subjects, n_stimuli : int
    over : {"both", "stimuli", "subjects"}
    """

    names: tuple[str, ...]
    estimate: np.ndarray
    values: np.ndarray
    chance: float
    n_subjects: int
    n_stimuli: int
    over: Resampled

    def __repr__(self) -> str:
        return f"IdentificationBootstrap({len(self.values)} samples over {self.over}, {len(self.names)} transforms)"

    @property
    def standard_errors(self) -> np.ndarray:
        """Standard deviation over samples, shape (transforms,)."""
        return self.values.std(axis=0, ddof=1)

    @property
    def factor_size(self) -> int:
        """Size of the smaller resampled factor."""
        sizes = {"both": min(self.n_subjects, self.n_stimuli), "stimuli": self.n_stimuli}
        return sizes.get(self.over, self.n_subjects)

    def column(self, name: str) -> int:
        """Position of a transform, or `UnknownNameError`."""
        if name not in self.names:
            raise UnknownNameError(
                f"transform {name!r} is not in the bootstrap{near_names(name, self.names)}."
            )
        return self.names.index(name)


def bootstrap_identification(
    rdms: Any,
    subject: Sequence[Any] | np.ndarray | str = "subject",
    region: Sequence[Any] | np.ndarray | str = "region",
    *,
    transforms: Mapping[str, Transform],
    n_boot: int = 1000,
    over: Resampled = "both",
    duplicates: Duplicates = "drop",
    missing: Missing = "error",
    rng: int = 0,
    jobs: int = 1,
) -> IdentificationBootstrap:
    """Accuracy of region identification in resampled data, for several transforms.

    Parameters
    ----------
    rdms, subject, region, missing
        As in `hodology.geometry.region_identification.identify_regions`.
    transforms : mapping of str to {"raw", "rank"} or TopologicalRDM
        By names of your own. Of geodesics, only "two-step" can be resampled over stimuli (with copies dropped), and
        callables over subjects only: a number of neighbours means something else where stimuli stand twice.
    n_boot : int
    over : {"both", "stimuli", "subjects"}
    duplicates : {"drop", "impute"}
        Pairs of two copies of one stimulus are left out, or get the mean dissimilarity of their matrix.
    rng : int
        The samples depend on it and on the sizes only, never on transforms or `jobs`.
    jobs : int
        Threads.

    Returns
    -------
    IdentificationBootstrap

    Raises
    ------
    UnknownNameError
        When a factor, a rule or a transform does not exist.
    InputError
        For no transforms, fewer than two samples, transforms that cannot be resampled over stimuli, a matrix that
        is constant in a sample, and what `identify_regions` refuses.
    """
    _check(transforms, n_boot, over, duplicates, jobs)
    read, layout = read_labelled(rdms, subject, region, missing=missing)
    values = read.values[layout.order].astype(np.float64)
    rows = [transformed_rows(values, transform) for transform in transforms.values()]
    estimate = [accuracies(centroid_distances(x, layout), layout)[1] for x in rows]
    n_subjects, n_stimuli = len(layout.subjects), read.n_stimuli
    often = np.ones((n_boot, n_subjects), dtype=np.int64)
    if over != "stimuli":
        often = count_stimuli(draw_subjects(n_subjects, n_boot=n_boot, rng=rng), n_subjects)
    found = np.empty((n_boot, len(rows)))

    def subjects_only(boot: int) -> None:
        found[boot] = [
            accuracies(centroid_distances(x, layout, weights=often[boot]), layout, weights=often[boot])[1]
            for x in rows
        ]

    if over == "subjects":
        call = subjects_only
    else:
        counts = count_stimuli(draw_stimuli(n_stimuli, n_boot=n_boot, rng=rng), n_stimuli)
        regions = ResampledRegions(values, layout, tuple(transforms.values()), duplicates=duplicates)

        def call(boot: int) -> None:
            found[boot] = regions.accuracies(counts[boot], often[boot])

    _for_each(call, n_boot, jobs)
    return IdentificationBootstrap(
        tuple(transforms), np.array(estimate), found, 1.0 / len(layout.regions), n_subjects, n_stimuli, over
    )


def draw_subjects(n_subjects: int, *, n_boot: int, rng: int = 0) -> np.ndarray:
    """Draw samples of subjects with replacement, at least two different ones in each.

    Returns
    -------
    int64 ndarray, shape (n_boot, n_subjects)

    Raises
    ------
    InputError
        For fewer than two subjects.
    """
    if n_subjects < 2:
        raise InputError(f"resampling needs at least two subjects, got {n_subjects}.")
    drawn = stream(rng, "subjects").integers(0, n_subjects, (n_boot, n_subjects))
    again = stream(rng, "subjects", "again")
    for row in np.flatnonzero((drawn == drawn[:, :1]).all(axis=1)):
        while (drawn[row] == drawn[row, 0]).all():
            drawn[row] = again.integers(0, n_subjects, n_subjects)
    return drawn


def _for_each(call: Any, count: int, jobs: int) -> None:
    def some(begin: int) -> None:
        for boot in range(begin, min(begin + _SAMPLES, count)):
            call(boot)

    begins = range(0, count, _SAMPLES)
    if jobs == 1:
        for begin in begins:
            some(begin)
        return
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(some, begins))


def _check(transforms: Mapping[str, Transform], n_boot: int, over: str, duplicates: str, jobs: int) -> None:
    if not transforms:
        raise InputError("transforms must name at least one, got none.")
    for what, value, known in (
        ("over", over, get_args(Resampled)),
        ("duplicates", duplicates, get_args(Duplicates)),
    ):
        if value not in known:
            raise UnknownNameError(f"{what}={value!r} does not exist{near_names(value, known)}.")
    if isinstance(n_boot, bool) or n_boot < 2:
        raise InputError(f"n_boot must be at least 2, got {n_boot}.")
    if isinstance(jobs, bool) or jobs < 1:
        raise InputError(f"jobs must be at least 1, got {jobs}.")
    for name, transform in transforms.items():
        if over != "subjects" and not _weighted(transform, duplicates):
            raise InputError(
                f"transform {name!r} cannot be resampled over stimuli with duplicates={duplicates!r}; "
                "pass over='subjects'."
            )


def _weighted(transform: Transform, duplicates: str) -> bool:
    """Whether a transform can be computed from how often pairs occur."""
    if isinstance(transform, TopologicalRDM):
        return transform.geodesic is None or (transform.geodesic == "two-step" and duplicates == "drop")
    return isinstance(transform, str)
