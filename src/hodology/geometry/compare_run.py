"""Compare representations of the user's own files or models, for the command and its report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from hodology import __version__
from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.activations_of import Pool
from hodology.geometry.compare_inputs import (
    ModelInputs,
    RepresentationSet,
    SourceKind,
    align_sets,
    open_representations,
)
from hodology.geometry.compare_measures import (
    CompareMeasure,
    PairTable,
    compare_sets,
    find_measure,
    rdms_of,
    similarities,
)
from hodology.geometry.dissimilarity import Distance
from hodology.geometry.embedding import classical_mds, distances_of
from hodology.geometry.model_differences import Adjustment
from hodology.geometry.rdms import RDMs
from hodology.work import mark_folder

__all__ = ["DISTANCES", "CompareRun", "CompareSettings", "run_compare"]

DISTANCES: tuple[Distance, ...] = ("correlation", "euclidean", "sqeuclidean", "cosine")


@dataclass(frozen=True)
class CompareSettings:
    """What to compare and how; see `open_representations` and `compare_sets`.

    Attributes
    ----------
    a, b : str
        Files of patterns or of dissimilarities, or models. An empty `b` compares the representations of `a` with each
        other.
    measure : str
        ``"rsa"`` is ``"rsa-spearman"``.
    layers_a, layers_b : tuple of str or None
        Layers of models.
    """

    a: str = "digits-cnn:0"
    b: str = ""
    measure: str = "rsa"
    distance: Distance = "correlation"
    kind_a: SourceKind = "auto"
    kind_b: SourceKind = "auto"
    data: str | None = None
    layers_a: tuple[str, ...] | None = None
    layers_b: tuple[str, ...] | None = None
    pool: Pool | None = None
    limit: int = 500
    batch: int = 64
    device: str = "cpu"
    n_boot: int = 1000
    n_permutations: int = 1000
    adjust: Adjustment = "bh"
    level: float = 0.95
    max_components: int | None = None
    seed: int = 0
    split: str | None = None
    image_column: str | None = None
    text_column: str | None = None

    def __post_init__(self) -> None:
        find_measure(self.measure)
        for name, least in (("limit", 4), ("batch", 1), ("n_boot", 2), ("n_permutations", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}.")
        if self.distance in get_args(Distance) and self.distance not in DISTANCES:
            raise InputError(
                f"distance must be one of {', '.join(DISTANCES)}, got {self.distance!r}: compute the matrices with "
                "hodology.geometry.dissimilarities, which takes noise and runs, and compare these."
            )
        if self.distance not in DISTANCES:
            raise UnknownNameError(
                f"distance {self.distance!r} does not exist{near_names(self.distance, DISTANCES)}."
            )
        adjustments, pools = get_args(Adjustment), get_args(Pool)
        if self.adjust not in adjustments:
            raise UnknownNameError(
                f"correction {self.adjust!r} does not exist{near_names(self.adjust, adjustments)}."
            )
        if self.pool is not None and self.pool not in pools:
            raise UnknownNameError(f"pool {self.pool!r} does not exist{near_names(self.pool, pools)}.")
        if not 0 < self.level < 1:
            raise InputError(f"level must lie between 0 and 1, got {self.level}.")


@dataclass(frozen=True, repr=False, eq=False)
class CompareRun:
    """What was compared and found.

    Attributes
    ----------
    settings : CompareSettings
    measure : str
    sets : tuple of RepresentationSet
        One, when representations were compared with each other, or two.
    rdms : tuple of RDMs
        Matrices of each set.
    table : PairTable
    embedding : float64 ndarray, shape (representations of all sets, 2)
        Classical scaling of the representations by their similarity.
    """

    settings: CompareSettings
    measure: CompareMeasure
    sets: tuple[RepresentationSet, ...]
    rdms: tuple[RDMs, ...]
    table: PairTable
    embedding: np.ndarray

    def __repr__(self) -> str:
        return f"CompareRun({self.measure}, {self.table!r})"

    @property
    def stimuli(self) -> tuple[str, ...]:
        """Labels of the stimuli, numbers where there are none."""
        named = next((s.stimuli for s in self.sets if s.stimuli is not None), None)
        return named or tuple(str(i) for i in range(self.sets[0].n_stimuli))


def run_compare(settings: CompareSettings, folder: str | Path, *, resume: bool = True) -> CompareRun:
    """Open both sides, compare all pairs, and claim the folder of the run.

    Parameters
    ----------
    settings : CompareSettings
    folder : path
        Must be empty or hold a run of the same kind.
    resume : bool
        False refuses a folder that holds a run.

    Raises
    ------
    InputError
        For what the files, the models or the measures refuse.
    """
    sets = _open(settings)
    measure = find_measure(settings.measure)
    manifest = {
        "version": __version__,
        "settings": asdict(settings),
        "fingerprints": {side: s.fingerprint for side, s in zip("ab", sets, strict=False)},
    }
    mark_folder(folder, "compare", what="comparison", manifest=manifest, resume=resume)
    distance: Distance = "correlation" if measure == "ssm" else settings.distance
    table = compare_sets(
        sets[0], sets[-1], measure=measure, distance=distance, n_boot=settings.n_boot,
        n_permutations=settings.n_permutations, adjust=settings.adjust, level=settings.level,
        max_components=settings.max_components, rng=settings.seed,
    )  # fmt: skip
    rdms = tuple(_drawn(s, measure, distance) for s in sets)
    return CompareRun(
        settings, measure, sets, rdms, table, _embedded(sets, table, measure, settings, distance)
    )


def _drawn(source: RepresentationSet, measure: CompareMeasure, distance: Distance) -> RDMs:
    """Matrices to draw; where the measure needs none, Euclidean ones if a stimulus has no correlation distance."""
    try:
        return rdms_of(source, distance=distance)
    except InputError:
        if measure == "ssm" or measure.startswith("rsa"):
            raise
        return rdms_of(source, distance="euclidean")


def _open(settings: CompareSettings) -> tuple[RepresentationSet, ...]:
    found = []
    sides: tuple[Literal["a", "b"], ...] = ("a", "b") if settings.b else ("a",)
    for side in sides:
        inputs = ModelInputs(
            settings.data, getattr(settings, f"layers_{side}"), settings.pool, settings.limit, settings.batch,
            settings.device, settings.split, settings.image_column, settings.text_column,
        )  # fmt: skip
        kind = settings.kind_a if side == "a" else settings.kind_b
        found.append(open_representations(getattr(settings, side), kind=kind, inputs=inputs))
    if len(found) == 1:
        if len(found[0].names) < 2:
            raise InputError(
                f"{found[0].label} holds one representation; name a second source to compare it with."
            )
        return tuple(found)
    return align_sets(found[0], found[1])


def _embedded(
    sets: tuple[RepresentationSet, ...],
    table: PairTable,
    measure: CompareMeasure,
    settings: CompareSettings,
    distance: Distance,
) -> np.ndarray:
    """Places of all representations in a plane, by their similarities within and between the sets."""

    def values(one: RepresentationSet, two: RepresentationSet) -> np.ndarray:
        return similarities(
            one, two, measure=measure, distance=distance, max_components=settings.max_components
        )

    if len(sets) == 1:
        whole = table.values
    else:
        a, b = sets
        whole = np.block([[values(a, a), table.values], [values(b, a), values(b, b)]])
    return classical_mds(distances_of(whole))
