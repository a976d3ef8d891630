"""A simulated mouse: areas made of known layers of a network, with neurons, trials and noise of realistic size.

A neuron is a random positive mixture of a few units of its area's layer, times a gain of its own. A trial adds noise of
its own and noise that all neurons of the area share. Where the areas lie is known, so that a way to find them can be
tested.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.areas import AreaResponses
from hodology.geometry.patterns import as_patterns
from hodology.rng import stream

__all__ = ["noisy_means", "signal_scale", "simulated_mouse"]


def simulated_mouse(
    features: Mapping[str, Any],
    plan: Mapping[str, str],
    *,
    n_neurons: int | Mapping[str, int] = 300,
    n_trials: int = 50,
    noise: float = 1.0,
    shared_noise: float = 0.3,
    units_per_neuron: int = 2,
    rng: int = 0,
) -> dict[str, AreaResponses]:
    """Simulate recordings of areas that are known layers.

    Parameters
    ----------
    features : mapping of str to array, shape (images, units)
        Layers of a network.
    plan : mapping of str to str
        The layer of each area.
    n_neurons : int or mapping of area to int
    n_trials : int
    noise : float
        Standard deviation of a single trial of a neuron, in standard deviations of its signal over images.
    shared_noise : float
        Share of the noise's variance that all neurons of an area have in common, with one sign.
    units_per_neuron : int
        Units that a neuron mixes.
    rng : int

    Returns
    -------
    dict of str to AreaResponses
        With float32 trials.

    Raises
    ------
    UnknownNameError
        For a layer that is not there.
    InputError
        For an empty plan, counts below 1, negative noise, or a share outside [0, 1].
    """
    if not plan:
        raise InputError("plan must name the layer of at least one area.")
    if n_trials < 1 or units_per_neuron < 1 or noise < 0 or not 0 <= shared_noise <= 1:
        raise InputError(
            "n_trials and units_per_neuron must be at least 1, noise 0 or more and shared_noise from 0 to 1, got "
            f"{n_trials}, {units_per_neuron}, {noise} and {shared_noise}."
        )
    found = {}
    for area, layer in plan.items():
        if layer not in features:
            raise UnknownNameError(f"layer {layer!r} is not here{near_names(layer, features)}.")
        count = n_neurons[area] if isinstance(n_neurons, Mapping) else n_neurons
        if count < 2:
            raise InputError(f"area {area!r} must have at least two neurons, got {count}.")
        units = as_patterns(features[layer], name=layer, constant_units="keep").values
        signal = _neurons(units, count, units_per_neuron, stream(rng, "neurons", area))
        trials = _trials(signal, n_trials, noise, shared_noise, stream(rng, "trials", area))
        found[area] = AreaResponses(area, trials.mean(axis=0, dtype=np.float64), trials)
    return found


def noisy_means(
    values: np.ndarray, *, noise: float, n_trials: int, rng: np.random.Generator, signal: float | None = None
) -> np.ndarray:
    """Means over noisy trials: values plus Gaussian noise of standard deviation noise * signal / sqrt(n_trials).

    Parameters
    ----------
    values : float ndarray, shape (images, units)
    noise : float
    n_trials : int
    rng : Generator
    signal : float, optional
        Scale of the noise; default `signal_scale` of the values.
    """
    scale = signal_scale(values) if signal is None else signal
    return values + rng.normal(size=values.shape) * (noise * scale / np.sqrt(n_trials))


def signal_scale(values: np.ndarray) -> float:
    """Root mean square, over images and units, of what images add to the units' means."""
    return float(np.sqrt(((values - values.mean(axis=0)) ** 2).mean()))


def _neurons(units: np.ndarray, count: int, mixed: int, generator: np.random.Generator) -> np.ndarray:
    """Signals of neurons, shape (images, neurons), in units of their own gain."""
    live = np.flatnonzero(units.std(axis=0) > 0)
    if len(live) == 0:
        raise InputError("a layer whose units respond the same to every image makes no area.")
    signal = np.zeros((len(units), count))
    scaled = units[:, live] / np.sqrt(units[:, live].var(axis=0).mean())
    for _ in range(mixed):
        signal += scaled[:, generator.integers(0, len(live), count)] * generator.lognormal(0.0, 0.5, count)
    return signal * generator.lognormal(0.0, 0.5, count)


def _trials(
    signal: np.ndarray, n_trials: int, noise: float, shared: float, generator: np.random.Generator
) -> np.ndarray:
    scale = (noise * signal.std(axis=0)).astype(np.float32)
    own = generator.standard_normal((n_trials, *signal.shape), dtype=np.float32)
    common = generator.standard_normal((n_trials, len(signal), 1), dtype=np.float32)
    own *= np.float32(np.sqrt(1.0 - shared))
    own += np.float32(np.sqrt(shared)) * common
    return signal.astype(np.float32) + scale * own
