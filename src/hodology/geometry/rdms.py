"""Representational dissimilarity matrices: one value per pair of stimuli, many matrices over the same stimuli.

Pairs stand in the order of the strict upper triangle, row by row, as in ``scipy.spatial.distance.squareform``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.patterns import check_labels, label_positions
from hodology.geometry.rdm_reading import Form, Missing, read_matrices, settle_missing
from hodology.optional import require

__all__ = ["RDMs", "as_rdms", "pair_indices", "stack_rdms", "stimuli_of_pairs"]


@dataclass(frozen=True, repr=False, eq=False)
class RDMs:
    """Dissimilarity matrices over the same stimuli.

    Attributes
    ----------
    values : float ndarray, shape (matrices, n (n - 1) / 2)
        NaN marks a pair that was not measured.
    n_stimuli : int
    names : tuple of str
        One per matrix.
    measure : str
        What the dissimilarities are, for example ``"correlation"``.
    stimuli : tuple of str or None
        One label per stimulus.
    descriptors : mapping of str to tuple
        Further labels, one value per matrix: ``{"subject": (1, 1, 2, 2)}``.
    """

    values: np.ndarray
    n_stimuli: int
    names: tuple[str, ...]
    measure: str = ""
    stimuli: tuple[str, ...] | None = None
    descriptors: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def __repr__(self) -> str:
        of = f", {self.measure}" if self.measure else ""
        return f"RDMs({len(self)} matrices, {self.n_stimuli} stimuli{of})"

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[RDMs]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int | str | slice | Sequence[int] | np.ndarray) -> RDMs:
        """Some matrices, by position, name, slice or mask; always an `RDMs`."""
        if isinstance(index, str):
            if index not in self.names:
                raise UnknownNameError(f"matrix {index!r} is not here{near_names(index, self.names)}.")
            index = self.names.index(index)
        try:
            where: np.ndarray = np.atleast_1d(np.asarray(np.arange(len(self))[index]))
        except IndexError as error:
            raise InputError(f"matrices are numbered 0 to {len(self) - 1}, got {index!r}.") from error
        return replace(
            self,
            values=self.values[where],
            names=tuple(self.names[i] for i in where),
            descriptors={key: tuple(values[i] for i in where) for key, values in self.descriptors.items()},
        )

    def square(self) -> np.ndarray:
        """Full matrices with zero diagonal, shape (matrices, stimuli, stimuli)."""
        first, second = stimuli_of_pairs(self.n_stimuli)
        out = np.zeros((len(self), self.n_stimuli, self.n_stimuli), dtype=self.values.dtype)
        out[:, first, second] = self.values
        out[:, second, first] = self.values
        return out

    def select_stimuli(self, stimuli: Sequence[int] | Sequence[str] | np.ndarray) -> RDMs:
        """Return the matrices over some stimuli, by position, mask or label, in the order asked for.

        Raises
        ------
        InputError
            For fewer than two stimuli or one named twice (the pair of a stimulus with itself has no dissimilarity).
        """
        where = label_positions(stimuli, self.stimuli, self.n_stimuli)
        if len(where) < 2 or len(set(where.tolist())) < len(where):
            raise InputError(f"stimuli must be at least two different ones, got {where.tolist()}.")
        pairs = pair_indices(self.n_stimuli)[np.ix_(where, where)][np.triu_indices(len(where), 1)]
        labels = None if self.stimuli is None else tuple(self.stimuli[i] for i in where)
        return replace(self, values=self.values[:, pairs], n_stimuli=len(where), stimuli=labels)

    def mean(self, *, name: str = "mean") -> RDMs:
        """The mean matrix; pairs that a matrix lacks are averaged over the others."""
        known = (~np.isnan(self.values)).sum(axis=0)
        total = np.asarray(np.nansum(self.values, axis=0, dtype=np.float64))
        mean = np.divide(total, known, out=np.full(len(total), np.nan), where=known > 0)
        return replace(self, values=mean[None].astype(self.values.dtype), names=(name,), descriptors={})

    def to_rsatoolbox(self) -> Any:
        """The same as an ``rsatoolbox.rdm.RDMs``."""
        module = require("rsatoolbox.rdm", extra="neuro", purpose="converting to rsatoolbox")
        patterns = {} if self.stimuli is None else {"stimulus": list(self.stimuli)}
        described = {key: list(values) for key, values in self.descriptors.items()}
        return module.RDMs(
            np.asarray(self.values, dtype=np.float64),
            dissimilarity_measure=self.measure or None,
            rdm_descriptors={**described, "name": list(self.names)},
            pattern_descriptors=patterns,
        )


def as_rdms(
    x: Any,
    *,
    names: Sequence[Any] | None = None,
    measure: str = "",
    stimuli: Sequence[Any] | None = None,
    descriptors: Mapping[str, Sequence[Any]] | None = None,
    form: Form = "auto",
    missing: Missing = "error",
) -> RDMs:
    """Read dissimilarity matrices from condensed or square arrays, or from other objects.

    Parameters
    ----------
    x : array-like or object
        Condensed ``(pairs,)`` or ``(matrices, pairs)``; square ``(n, n)`` or ``(matrices, n, n)``; a pandas
        DataFrame of one square matrix; an ``rsatoolbox.rdm.RDMs``; an `RDMs`.
    names, stimuli : sequence, optional
        Labels of the matrices and of the stimuli; default what `x` carries.
    measure : str
    descriptors : mapping of str to sequence, optional
        Further labels, one value per matrix.
    form : {"auto", "condensed", "square"}
        What two dimensions of equal length mean: "auto" takes them as one square matrix.
    missing : {"error", "keep", "drop", "impute"}
        What to do about NaN. "keep": comparisons leave the pair out for all matrices. "drop" leaves out the stimuli
        with most missing pairs until none is left, with a warning. "impute" takes the pair's mean over the other
        matrices, or the matrix's own mean where no other has it.

    Returns
    -------
    RDMs

    Raises
    ------
    InputError
        For a length that is not n (n - 1) / 2, a square matrix that is not symmetric or has a diagonal other than
        zero, infinite values, NaN with ``missing="error"``, and labels of the wrong number.

    Examples
    --------
    >>> as_rdms([0.1, 0.5, 0.4], names=["V1"])
    RDMs(1 matrices, 3 stimuli)
    """
    if isinstance(x, RDMs):
        own: dict[str, Any] = {"names": x.names, "stimuli": x.stimuli, "measure": x.measure}
        array, described = x.values, dict(x.descriptors)
        form = "condensed"
    else:
        array, own, described, form = _opened(x, form)
    values, n = read_matrices(array, form)
    values, kept = settle_missing(values, n, missing)
    labels = check_labels(own.get("stimuli") if stimuli is None else stimuli, n, what="RDMs")
    if labels is not None and kept is not None:
        labels = tuple(labels[i] for i in kept)
    n = n if kept is None else len(kept)
    called = own.get("names") if names is None else names
    texts = tuple(str(name) for name in (range(len(values)) if called is None else called))
    all_described = {**described, **(descriptors or {})}
    for key, items in {"names": texts, **all_described}.items():
        if len(items) != len(values):
            raise InputError(f"{key} must be one per matrix ({len(values)}), got {len(items)}.")
    kinds = {key: tuple(items) for key, items in all_described.items()}
    return RDMs(values, n, texts, measure or str(own.get("measure") or ""), labels, kinds)


def stack_rdms(rdms: Sequence[RDMs]) -> RDMs:
    """Put matrices over the same stimuli into one `RDMs`.

    Stimuli are brought into the order of the first by their labels. Descriptors that all parts have are kept.

    Raises
    ------
    InputError
        For no parts, other numbers of stimuli, or other labels.
    """
    parts = list(rdms)
    if not parts:
        raise InputError("rdms must hold at least one RDMs, got none.")
    labels = next((part.stimuli for part in parts if part.stimuli is not None), None)
    aligned = []
    for part in parts:
        if part.n_stimuli != parts[0].n_stimuli:
            raise InputError(
                f"rdms must be over the same stimuli, got {parts[0].n_stimuli} and {part.n_stimuli} of them."
            )
        if labels is not None and part.stimuli is not None and part.stimuli != labels:
            if set(part.stimuli) != set(labels):
                odd = sorted(set(part.stimuli) ^ set(labels))[0]
                raise InputError(f"rdms must be over the same stimuli; {odd!r} is not in all of them.")
            part = part.select_stimuli(labels)
        aligned.append(part)
    measures = {part.measure for part in aligned}
    shared = [key for key in aligned[0].descriptors if all(key in part.descriptors for part in aligned)]
    return RDMs(
        np.concatenate([part.values for part in aligned]),
        aligned[0].n_stimuli,
        tuple(name for part in aligned for name in part.names),
        measures.pop() if len(measures) == 1 else "",
        labels,
        {key: tuple(v for part in aligned for v in part.descriptors[key]) for key in shared},
    )


def pair_indices(n: int) -> np.ndarray:
    """Matrix (n, n) of the position of each pair in the condensed order; 0 on the diagonal."""
    first, second = stimuli_of_pairs(n)
    out = np.zeros((n, n), dtype=np.int64)
    out[first, second] = out[second, first] = np.arange(len(first))
    return out


def stimuli_of_pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    """First and second stimulus of every pair, in the condensed order."""
    first, second = np.triu_indices(n, 1)
    return first, second


def _opened(x: Any, form: Form) -> tuple[Any, dict[str, Any], dict[str, Any], Form]:
    """Array, labels and descriptors of foreign containers."""
    if hasattr(x, "dissimilarities") and hasattr(x, "pattern_descriptors"):  # rsatoolbox
        described = {k: tuple(v) for k, v in x.rdm_descriptors.items() if k != "index"}
        own = {"names": described.pop("name", None), "measure": x.dissimilarity_measure}
        found = {k: v for k, v in x.pattern_descriptors.items() if k != "index"}
        unique = [v for v in found.values() if len(set(map(str, v))) == len(v)]
        own["stimuli"] = found.get("stimulus", unique[0] if unique else None)
        return x.dissimilarities, own, described, "condensed"
    if hasattr(x, "columns") and hasattr(x, "index"):  # pandas
        labelled = type(x.index).__name__ != "RangeIndex"
        return x.to_numpy(), {"stimuli": list(x.index) if labelled else None}, {}, "square"
    return (x.detach().cpu().numpy() if hasattr(x, "detach") else x), {}, {}, form
