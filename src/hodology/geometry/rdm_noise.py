"""Noise on activity and on dissimilarities, the two settings in which layers are identified.

Reference: Lin and Kriegeskorte, "The topology and geometry of neural representations", PNAS 2024.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.patterns import Patterns, as_patterns
from hodology.geometry.rdms import RDMs, as_rdms
from hodology.rng import stream

__all__ = ["NoiseScale", "add_pattern_noise", "add_rdm_noise"]

NoiseScale = Literal["all", "each"]


def add_rdm_noise(rdms: Any, *, level: float, scale: NoiseScale = "all", rng: int = 0) -> RDMs:
    """Add independent Gaussian noise to every dissimilarity; what falls below zero becomes zero.

    Parameters
    ----------
    rdms : array-like, RDMs or rsatoolbox.rdm.RDMs
    level : float
        Standard deviation of the noise as a multiple of the standard deviation of dissimilarities.
    scale : {"all", "each"}
        Of all entries of all matrices together, as in the paper, so that matrices of small dissimilarities suffer
        more; or of each matrix.
    rng : int

    Raises
    ------
    UnknownNameError
        When the scale does not exist.
    InputError
        For a negative level.
    """
    if scale not in get_args(NoiseScale):
        raise UnknownNameError(f"scale {scale!r} does not exist{near_names(scale, get_args(NoiseScale))}.")
    read = as_rdms(rdms)
    values = read.values.astype(np.float64)
    spread = values.std() if scale == "all" else values.std(axis=1, keepdims=True)
    noise = stream(rng, "RDM noise").standard_normal(values.shape)
    return replace(read, values=np.maximum(values + _checked(level) * spread * noise, 0.0))


def add_pattern_noise(patterns: Any, *, level: float, rng: int = 0, name: str = "") -> Patterns:
    """Add independent Gaussian noise to every response.

    Parameters
    ----------
    patterns : anything `hodology.geometry.patterns.as_patterns` reads, shape (stimuli, units)
    level : float
        Standard deviation of the noise as a multiple of the standard deviation of all responses.
    rng : int
    name : str
        Names the stream too: other names, other noise.

    Raises
    ------
    InputError
        For a negative level.
    """
    read = as_patterns(patterns, name=name)
    values = read.values.astype(np.float64)
    noise = stream(rng, "pattern noise", read.name).standard_normal(values.shape)
    noisy = values + _checked(level) * values.std() * noise
    return replace(read, values=noisy.astype(read.values.dtype))


def _checked(level: float) -> float:
    if not 0.0 <= level < np.inf:
        raise InputError(f"level must be 0 or more, got {level}.")
    return level
