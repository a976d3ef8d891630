"""Layer profiles of six areas against a plain loop: numpy and scipy on every sample, nothing kept between samples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import spearmanr

from benchmarks.measure import Row, alternate, once
from hodology.geometry.layer_profile import layer_profile
from hodology.geometry.profile_resampling import resample_images, resample_units, unit_counts
from hodology.geometry.rsa_resampling import draw_stimuli
from hodology.geometry.similarity_matrix import similarity_rows

__all__ = ["run"]

IMAGES, SAMPLES = 118, 1000


def run(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    areas, layers = _populations(3 if quick else 6, 8 if quick else 20)
    yield _whole(areas, layers, 200 if quick else SAMPLES)
    yield _images(areas, layers)
    yield _units(areas, layers)


def _populations(n_areas: int, n_layers: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Areas of 100 to 1,500 units beside layers of 1,000."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(IMAGES, 1000))
    layers = {}
    for k in range(n_layers):
        layers[f"layer {k}"] = x
        x = x + 0.5 * generator.normal(size=x.shape)
    sizes = np.linspace(100, 1500, n_areas).astype(int)
    areas = {}
    for k, size in enumerate(sizes):
        source = layers[f"layer {k}"][:, generator.integers(0, 1000, size)]
        areas[f"area {k}"] = source + generator.normal(size=source.shape)
    return areas, layers


def _whole(areas: dict[str, np.ndarray], layers: dict[str, np.ndarray], samples: int) -> Row:
    seconds, _ = once(lambda: layer_profile(areas, layers, n_boot=samples, resample="both", jobs=2))
    return Row(
        what=(
            f"profile of {len(areas)} areas x {len(layers)} layers, {samples} samples of images and units, "
            f"{IMAGES} images"
        ),
        ours=seconds,
        theirs=None,
        unit="s",
        figure=f"{seconds:.1f} s",
        bound="under 60 s on two cores",
        passed=seconds < 60,
    )


def _images(areas: dict[str, np.ndarray], layers: dict[str, np.ndarray]) -> Row:
    """Samples of images; the plain loop computes both matrices of a sample again, without pairs of copies."""
    samples = draw_stimuli(IMAGES, n_boot=SAMPLES)
    some = samples[:4]
    one, two = similarity_rows(areas), similarity_rows(layers)

    def naive() -> np.ndarray:
        return np.array([_plain(areas, layers, rows) for rows in some])

    mine, theirs, found, expected = alternate(
        lambda: resample_images(one, two, IMAGES, n_boot=SAMPLES, rng=0), naive, repeats=1
    )
    return _row("samples of images", mine, theirs * SAMPLES / len(some), found[: len(some)], expected, 30.0)


def _units(areas: dict[str, np.ndarray], layers: dict[str, np.ndarray]) -> Row:
    """Samples of units; the plain loop indexes the units and correlates."""
    two = similarity_rows(layers)
    some = 4

    def naive() -> np.ndarray:
        out = []
        for k in range(some):
            drawn = {}
            for name, values in areas.items():
                counts = unit_counts(values.shape[1], n_boot=some, rng=0, area=name)[k].astype(int)
                drawn[name] = np.repeat(values, counts, axis=1)
            out.append(_plain(drawn, layers, np.arange(IMAGES)))
        return np.array(out)

    mine, theirs, found, expected = alternate(
        lambda: resample_units(areas, two, n_boot=SAMPLES, rng=0), naive, repeats=1
    )
    return _row("samples of units", mine, theirs * SAMPLES / some, found[:some], expected, 30.0)


def _plain(areas: dict[str, np.ndarray], layers: dict[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(len(rows), 1)
    different = rows[first] != rows[second]
    first, second = first[different], second[different]
    return np.array(
        [
            [
                spearmanr(
                    np.corrcoef(area[rows])[first, second], np.corrcoef(layer[rows])[first, second]
                ).statistic
                for layer in layers.values()
            ]
            for area in areas.values()
        ]
    )


def _row(what: str, mine: float, theirs: float, found: np.ndarray, expected: np.ndarray, bound: float) -> Row:
    error, ratio = float(np.abs(found - expected).max()), theirs / mine
    return Row(
        what=f"{SAMPLES} {what}, {found.shape[1]} areas x {found.shape[2]} layers, against a plain loop",
        ours=mine,
        theirs=theirs,
        unit="s",
        figure=f"{ratio:.0f}x",
        bound=f"at least {bound:g}x, equal to 1e-6",
        passed=ratio >= bound and error < 1e-6,
        note=f"largest difference {error:.1e}; the loop (timed on four samples) breaks ties by rounding",
    )
