"""Robustness of pseudo-depth: are n images, m units and noisy trials enough to find a known layer?

One network plays the brain. Each of its layers in turn is recorded: m of its units, n images, the mean of noisy trials.
The layer is then looked for in another network (or in the same), and the place found is compared with the true one.

Reference: Shi, Shea-Brown and Buice, NeurIPS 2019 (the methodological half of the paper).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.geometry.patterns import as_patterns
from hodology.geometry.profile_measures import ProfileMetric, check_metric, profile_similarities
from hodology.geometry.rdms import pair_indices, stimuli_of_pairs
from hodology.geometry.rsa import compare_rows
from hodology.geometry.similarity_matrix import check_images, similarity_rows
from hodology.geometry.simulated_mouse import noisy_means, signal_scale
from hodology.rng import stream

__all__ = ["Robustness", "RobustnessRow", "robustness"]


@dataclass(frozen=True)
class RobustnessRow:
    """One setting of a sweep, mean over layers and draws.

    Attributes
    ----------
    candidate : str
        The network in which the layer was looked for.
    metric : str
    n_images, n_units : int
        Images and recorded units; a layer with fewer units is recorded whole.
    noise : float
        Standard deviation of a trial, in root-mean-square signals of the layer.
    n_draws : int
    mean_error : float
        Mean distance between the layer found and the true one, in layers.
    exact, within_one : float
        Share of draws with an error of 0, and of 1 layer at most (one layer of the candidate).
    profile_correlation : float
        Pearson correlation of the profile with the one of all images and units without noise.
    shuffled_error : float
        Mean error when the recorded images were shuffled: chance.
    errors : tuple of float
        Mean error of each draw, over layers.
    """

    candidate: str
    metric: str
    n_images: int
    n_units: int
    noise: float
    n_draws: int
    mean_error: float
    exact: float
    within_one: float
    profile_correlation: float
    shuffled_error: float
    errors: tuple[float, ...]


@dataclass(frozen=True, repr=False)
class Robustness:
    """A sweep.

    Attributes
    ----------
    rows : tuple of RobustnessRow
    """

    rows: tuple[RobustnessRow, ...]

    def __repr__(self) -> str:
        return f"Robustness({len(self.rows)} settings)"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what each row holds."""
        return tuple(field.name for field in fields(RobustnessRow))

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns, ready for ``pandas.DataFrame``."""
        plain = [asdict(row) for row in self.rows]
        return {name: [row[name] for row in plain] for name in self.columns}


def robustness(
    features: Mapping[str, Any],
    candidates: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    n_images: Sequence[int] = (20, 50, 118),
    n_units: Sequence[int] = (10, 100, 1000),
    noise: Sequence[float] = (1.0,),
    n_trials: int = 50,
    n_draws: int = 20,
    metric: ProfileMetric = "ssm",
    variance: float = 0.99,
    max_components: int | None = None,
    rng: int = 0,
) -> Robustness:
    """Look for known layers in a sweep of images, units and noise.

    Parameters
    ----------
    features : mapping of str to array, shape (images, features)
        Layers of the network that plays the brain, input to output.
    candidates : mapping of str to (mapping of str to array), optional
        Networks in which to look, on the same images: the same net, another training seed, another architecture. A
        network of another number of layers is matched by relative depth. Default the same network.
    n_images, n_units : sequence of int
        Images are drawn without replacement, the same for all units and noises of a draw.
    noise : sequence of float
        Standard deviation of a single trial, in root-mean-square signals of the layer (over images, about the mean).
    n_trials : int
        Trials per image, whose mean is the response.
    n_draws : int
    metric : {"ssm", "cka", "unbiased-cka", "svcca", "pwcca", "ridge"}
    variance, max_components
        Of "svcca" and "pwcca".
    rng : int

    Returns
    -------
    Robustness

    Raises
    ------
    InputError
        For more images than there are, counts below 1 (10 for images), negative noise, networks over other images.
    UnknownNameError
        When the metric does not exist.
    """
    check_metric(metric)
    brain = _values(features)
    nets = {"same": brain} if candidates is None else {str(k): _values(v) for k, v in candidates.items()}
    for net in nets.values():
        check_images(brain, net)
    total = len(next(iter(brain.values())))
    _check_sweep(n_images, n_units, noise, n_trials, n_draws, total)
    compare = _comparison(nets, metric, variance, max_components)
    everything = compare(brain, np.arange(total))
    rows: list[RobustnessRow] = []
    for images, units, sd in product(n_images, n_units, noise):
        draws = [_draw(compare, brain, images, units, float(sd), n_trials, k, rng) for k in range(n_draws)]
        for name, whole in everything.items():
            profiles = np.stack([true[name] for true, _ in draws])
            shuffled = np.stack([lost[name] for _, lost in draws])
            rows.append(_row(name, metric, images, units, float(sd), profiles, shuffled, whole))
    return Robustness(tuple(rows))


def _values(named: Mapping[str, Any]) -> dict[str, np.ndarray]:
    if not isinstance(named, Mapping) or len(named) < 2:
        raise InputError(
            "a network must be a mapping of layers to arrays (images, features), at least two layers."
        )
    found = {str(k): as_patterns(x, name=str(k)).values for k, x in named.items()}
    check_images(found, found)
    return found


def _check_sweep(
    n_images: Sequence[int],
    n_units: Sequence[int],
    noise: Sequence[float],
    n_trials: int,
    n_draws: int,
    total: int,
) -> None:
    if len(n_images) == 0 or min(n_images) < 10 or max(n_images) > total:
        raise InputError(f"n_images must be from 10 to the images given ({total}), got {list(n_images)}.")
    if len(n_units) == 0 or min(n_units) < 2:
        raise InputError(f"n_units must be at least 2, got {list(n_units)}.")
    if len(noise) == 0 or not all(0 <= sd < np.inf for sd in noise):
        raise InputError(f"noise must be 0 or more, got {list(noise)}.")
    if n_trials < 1 or n_draws < 1:
        raise InputError(f"n_trials and n_draws must be at least 1, got {n_trials} and {n_draws}.")


_Comparison = Callable[[Mapping[str, np.ndarray], np.ndarray], dict[str, np.ndarray]]


def _comparison(
    nets: Mapping[str, Mapping[str, np.ndarray]],
    metric: ProfileMetric,
    variance: float,
    max_components: int | None,
) -> _Comparison:
    """A function from recorded layers and the images they were shown to their similarities with every network."""

    def general(recorded: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
        return {
            name: profile_similarities(
                recorded,
                {k: v[rows] for k, v in net.items()},
                metric=metric,
                variance=variance,
                max_components=max_components,
                warn=False,
            )  # fmt: skip
            for name, net in nets.items()
        }

    if metric != "ssm":
        return general
    known = {name: similarity_rows(net) for name, net in nets.items()}  # S is indexed, never computed again
    pairs = pair_indices(len(next(iter(next(iter(nets.values())).values()))))

    def indexed(recorded: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
        own = similarity_rows(recorded)
        first, second = stimuli_of_pairs(len(rows))
        where = pairs[rows[first], rows[second]]
        return {name: compare_rows(own, s[:, where], measure="spearman") for name, s in known.items()}

    return indexed


def _draw(
    compare: _Comparison,
    brain: Mapping[str, np.ndarray],
    n_images: int,
    n_units: int,
    noise: float,
    n_trials: int,
    draw: int,
    rng: int,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Similarities of every recorded layer with every layer of the networks; the same with shuffled images."""
    total = len(next(iter(brain.values())))
    rows = stream(rng, "images", draw).permutation(total)[:n_images]
    recorded = {}
    for name, values in brain.items():
        units = stream(rng, "recorded units", draw, name).permutation(values.shape[1])[:n_units]
        generator = stream(rng, "trial noise", draw, name, n_images, n_units)
        part = values[np.ix_(rows, units)].astype(np.float64)
        recorded[name] = noisy_means(
            part, noise=noise, n_trials=n_trials, rng=generator, signal=signal_scale(values)
        )  # fmt: skip
    order = stream(rng, "shuffled images", draw, n_images).permutation(n_images)
    shuffled = {name: values[order] for name, values in recorded.items()}
    return compare(recorded, rows), compare(shuffled, rows)


def _row(
    candidate: str,
    metric: str,
    n_images: int,
    n_units: int,
    noise: float,
    profiles: np.ndarray,
    shuffled: np.ndarray,
    whole: np.ndarray,
) -> RobustnessRow:
    errors, chance = _errors(profiles), _errors(shuffled)
    alike = [
        np.corrcoef(one, other)[0, 1]
        for profile in profiles
        for one, other in zip(profile, whole, strict=True)
        if one.std() > 0 and other.std() > 0
    ]
    return RobustnessRow(
        candidate, metric, n_images, n_units, noise, len(profiles),
        float(errors.mean()), float((errors < 0.5).mean()), float((errors <= 1.0 + 1e-9).mean()),
        float(np.mean(alike)) if alike else float("nan"), float(chance.mean()), tuple(errors.mean(axis=1).tolist()),
    )  # fmt: skip


def _errors(profiles: np.ndarray) -> np.ndarray:
    """Distance of the best layer from the true one, in layers of the candidate, shape (draws, layers)."""
    _, layers, candidates = profiles.shape
    true = np.linspace(0.0, candidates - 1.0, layers)
    return np.abs(profiles.argmax(axis=2) - true)
