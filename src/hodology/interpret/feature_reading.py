"""How a feature is read: by the tokens that it is strongest on, the words that it promotes, and its units.

Input side: the tokens with the largest coefficient, each with some tokens around it. Output side: with z the feature's
unit direction, the vocabulary scores of ``f = W_out z`` through the final norm and the unembedding; the largest are
what +z promotes, the smallest what -z does.

Reference: Shafran, Geiger and Geva, "Decomposing MLP activations into interpretable features via semi-nonnegative
matrix factorization", 2025.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from hodology.errors import InputError
from hodology.interpret.activation_table import ActivationTable
from hodology.interpret.feature_output import find_unembedding, unit_directions, write_out
from hodology.interpret.semi_nmf_input import check_count, mean_square, to_host, to_matrix
from hodology.interpret.text_inputs import check_followable
from hodology.nn.load import LoadedModel
from hodology.nn.sites import Site, resolve_sites

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Context",
    "FeatureUnits",
    "VocabTokens",
    "activation_density",
    "feature_matrix",
    "feature_units",
    "top_contexts",
    "vocab_projection",
]

_ROWS = 64  # features whose vocabulary scores are held at a time


@dataclass(frozen=True)
class Context:
    """A token on which a feature is strong, and what stands around it.

    Attributes
    ----------
    value : float
        The feature's coefficient on the token.
    focus : int
        Index of the token among `tokens`.
    tokens : tuple of (str, float)
        Text and coefficient of each token in the window.
    label : str or None
        Of the sample.
    sample, position : int
        Where it stands.
    """

    value: float
    focus: int
    tokens: tuple[tuple[str, float], ...]
    label: str | None
    sample: int
    position: int

    @property
    def text(self) -> str:
        """The window as one string."""
        return "".join(text for text, _ in self.tokens)

    def to_dict(self) -> dict[str, Any]:
        """As a features page takes it."""
        return {
            "id": f"{self.sample}:{self.position}",
            "value": self.value,
            "focus": self.focus,
            "tokens": [[text, value] for text, value in self.tokens],
            "label": self.label,
        }


@dataclass(frozen=True)
class VocabTokens:
    """The words that a feature promotes and demotes; both empty for a direction of zeros.

    Attributes
    ----------
    up, down : tuple of (str, float)
        Text and logit of the tokens with the largest logits, and with the smallest, most extreme first.
    up_ids, down_ids : tuple of int
    """

    up: tuple[tuple[str, float], ...]
    down: tuple[tuple[str, float], ...]
    up_ids: tuple[int, ...]
    down_ids: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """As a features page takes it: ``up`` and ``down``."""
        return {
            "up": [[text, logit] for text, logit in self.up],
            "down": [[text, logit] for text, logit in self.down],
        }


@dataclass(frozen=True)
class FeatureUnits:
    """The units that a feature is made of.

    Attributes
    ----------
    units : tuple of (int, float)
        Unit and signed weight, heaviest first; zeros are left out.
    n_units : int
        Number of units with a weight that is not zero.
    norm : float
        L2 norm of the whole feature.
    """

    units: tuple[tuple[int, float], ...]
    n_units: int
    norm: float

    def to_dict(self) -> dict[str, Any]:
        """As a features page takes it."""
        return {"units": [[u, w] for u, w in self.units], "n_units": self.n_units, "norm": self.norm}


def top_contexts(
    table: ActivationTable,
    coefficients: np.ndarray | Tensor,
    k: int = 25,
    window: int = 15,
    *,
    per_sample: int | None = None,
) -> tuple[tuple[Context, ...], ...]:
    """Find the tokens on which each feature is strongest.

    Parameters
    ----------
    table : ActivationTable
    coefficients : ndarray or Tensor, shape (tokens, features)
        Of semi-NMF, an autoencoder's latents, or projections on directions.
    k : int
        Contexts per feature at most (paper: 25). Only tokens with a coefficient above 0 count.
    window : int
        Tokens on either side (paper: 15), of the same sample and as far as the table has them.
    per_sample : int, optional
        Most contexts from one sample; by default any number, as in the paper.

    Returns
    -------
    tuple of tuple of Context
        One a feature, largest first; equal coefficients in the order of the table.

    Raises
    ------
    InputError
        When coefficients are no finite matrix with one row per token.
    """
    values = feature_matrix(coefficients, len(table), "coefficients")
    k, window = check_count(k, "k"), _check_window(window)
    limit = None if per_sample is None else check_count(per_sample, "per_sample")
    order = np.lexsort((table.positions, table.samples))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    owner = table.samples[order]
    first, last = np.searchsorted(owner, owner, side="left"), np.searchsorted(owner, owner, side="right")

    def context(row: int, column: np.ndarray) -> Context:
        at = int(place[row])
        low, high = max(int(first[at]), at - window), min(int(last[at]), at + window + 1)
        rows = order[low:high]
        return Context(
            value=float(column[row]),
            focus=at - low,
            tokens=tuple((table.tokens[i], float(column[i])) for i in rows),
            label=None if table.labels is None else table.label_name(int(table.labels[row])),
            sample=int(table.samples[row]),
            position=int(table.positions[row]),
        )

    return tuple(
        tuple(context(row, column) for row in _strongest(column, k, table.samples, limit))
        for column in values.T
    )


def vocab_projection(
    model: nn.Module,
    tokenizer: Any,
    layer: str | int | Site,
    directions: np.ndarray | Tensor,
    k: int = 50,
    *,
    relative: bool = True,
) -> tuple[VocabTokens, ...]:
    """Find the vocabulary that each direction promotes and demotes.

    Parameters
    ----------
    model : nn.Module
        A language model with its head: one of transformers, or a module that maps token ids to scores.
    tokenizer : transformers tokenizer, LoadedModel, callable from a token id to its text, or None
        None shows ids. Ids beyond the tokenizer's are left out.
    layer : str, int or Site
        As in `collect_activations`. For a site in the residual stream directions are taken as they are.
    directions : ndarray or Tensor, shape (k, units) or (units,)
        Brought to unit norm.
    k : int
        Tokens on either side (paper: 50 to 75).
    relative : bool
        Take off the scores of the zero vector. They are the biases of norm and head, the same for every feature, which
        would put the same frequent words first; the smallest scores are then those of -z exactly. False gives the
        scores as they are.

    Returns
    -------
    tuple of VocabTokens

    Raises
    ------
    InputError
        When the model has no unembedding, or directions do not fit the layer.

    Notes
    -----
    ``logits = U norm(norm_post(W_out z / ||z||))``, without the bias of W_out; norm_post in models that norm what a block
    adds. A final soft cap or scale, which keeps the order, is left out.
    """
    check_followable(model)
    k = check_count(k, "k")
    site = resolve_sites(model, [layer])[0]
    unit = unit_directions(directions, site.width)
    unembedding = find_unembedding(model)
    written = write_out(model, site, unit)
    decode, known = _decoder(tokenizer)
    found = []
    for rows, vectors in zip(unit.split(_ROWS), written.split(_ROWS), strict=True):
        scores = unembedding.logits(model, vectors, relative=relative)[:, :known]
        count = min(k, scores.shape[1])
        up, down = scores.topk(count, dim=1), scores.topk(count, dim=1, largest=False)
        for index, row in enumerate(rows):
            if not bool(row.any()):
                found.append(VocabTokens((), (), (), ()))
                continue
            sides = [(side.indices[index].tolist(), side.values[index].tolist()) for side in (up, down)]
            texts = [tuple((decode(i), v) for i, v in zip(*side, strict=True)) for side in sides]
            found.append(VocabTokens(texts[0], texts[1], tuple(sides[0][0]), tuple(sides[1][0])))
    return tuple(found)


def feature_units(components: np.ndarray | Tensor, k: int = 25) -> tuple[FeatureUnits, ...]:
    """The `k` heaviest units of each component, shape (features, units).

    Raises
    ------
    InputError
        When components are no finite matrix.
    """
    values = feature_matrix(components, None, "components")
    k = check_count(k, "k")
    found = []
    for row in values:
        order = np.argsort(-np.abs(row), kind="stable")[:k]
        units = tuple((int(unit), float(row[unit])) for unit in order if row[unit] != 0.0)
        found.append(FeatureUnits(units, int(np.count_nonzero(row)), float(np.linalg.norm(row))))
    return tuple(found)


def activation_density(coefficients: np.ndarray | Tensor, *, threshold: float = 0.0) -> np.ndarray:
    """Share of tokens on which each feature is active, float64, shape ``(features,)``.

    Parameters
    ----------
    coefficients : ndarray or Tensor, shape (tokens, features)
    threshold : float
        A feature is active where its coefficient is above this share, 0 to below 1, of its largest one (and above 0).

    Raises
    ------
    InputError
        For a threshold out of range, or what is no finite matrix.
    """
    values = feature_matrix(coefficients, None, "coefficients")
    if not 0.0 <= threshold < 1.0:
        raise InputError(f"threshold must be from 0 to below 1, got {threshold}.")
    least = threshold * np.maximum(values.max(axis=0), 0.0)
    return (values > least).mean(axis=0)


def feature_matrix(value: np.ndarray | Tensor, rows: int | None, name: str) -> np.ndarray:
    """`value` as a finite float64 matrix, with `rows` rows where that is asked for.

    Raises
    ------
    InputError
        When it is none.
    """
    matrix = to_host(to_matrix(value, dtype="float64"))
    mean_square(matrix)
    if rows is not None and len(matrix) != rows:
        raise InputError(
            f"{name} must have one row per token ({rows}) and one column per feature, got shape {matrix.shape}."
        )
    return matrix


def _strongest(column: np.ndarray, k: int, samples: np.ndarray, limit: int | None) -> list[int]:
    """Rows of the largest positive values, of one sample at most `limit`."""
    rows = np.flatnonzero(column > 0.0)
    if limit is None and len(rows) > k:
        least = np.partition(column[rows], len(rows) - k)[len(rows) - k]
        rows = rows[column[rows] >= least]
    rows = rows[np.argsort(-column[rows], kind="stable")]
    if limit is None:
        return [int(row) for row in rows[:k]]
    taken: dict[int, int] = {}
    found: list[int] = []
    for row in rows:
        owner = int(samples[row])
        taken[owner] = taken.get(owner, 0) + 1
        if taken[owner] <= limit:
            found.append(int(row))
            if len(found) == k:
                break
    return found


def _decoder(tokenizer: Any) -> tuple[Callable[[int], str], int | None]:
    """From a token id to its text, and how many ids there are."""
    if isinstance(tokenizer, LoadedModel):
        return tokenizer.decode or str, None
    if hasattr(tokenizer, "all_special_ids"):
        return lambda index: str(tokenizer.decode([index])), len(tokenizer)
    if tokenizer is None or callable(tokenizer):
        return tokenizer or str, None
    raise InputError(
        "tokenizer must be a tokenizer of transformers, a LoadedModel, a function from a token id to its text, or None, "
        f"got {type(tokenizer).__name__}."
    )


def _check_window(window: int) -> int:
    if isinstance(window, bool) or not isinstance(window, (int, np.integer)) or window < 0:
        raise InputError(f"window must be an integer of at least 0, got {window!r}.")
    return int(window)
