"""What the topological RSA study identifies: layers of networks on digits, a user's matrices, or the 92-image set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hodology.data.digits import load_digits_split
from hodology.errors import InputError
from hodology.files import read_arrays
from hodology.geometry.dissimilarity import dissimilarities
from hodology.geometry.rdm_files import read_rdms
from hodology.geometry.rdm_noise import add_pattern_noise, add_rdm_noise
from hodology.geometry.rdms import RDMs, stack_rdms
from hodology.nn.digit_layers import digit_networks, held_out_images, layer_patterns

__all__ = ["Labelled", "known_subjects", "labelled_rdms"]

_SUBJECT = ("subj", "subject", "seed", "network", "participant")
_REGION = ("roi", "region", "layer", "area")
_KNOWN = "rdms92.npz"


@dataclass(frozen=True, eq=False)
class Labelled:
    """Matrices with ``subject`` and ``region``, and the patterns they come from where these are known.

    Attributes
    ----------
    rdms : RDMs
    patterns : dict of (subject, region) to ndarray, or None
    accuracies : tuple of float
        Of the networks; empty for a user's matrices.
    """

    rdms: RDMs
    patterns: dict[tuple[int, str], np.ndarray] | None = None
    accuracies: tuple[float, ...] = ()

    def noisy(self, kind: str, level: float, *, rng: int) -> RDMs:
        """The matrices after noise on activations or on RDM entries."""
        if kind != "activations":
            return add_rdm_noise(
                self.rdms, level=level, scale="each" if kind == "each RDM" else "all", rng=rng
            )
        if self.patterns is None:
            raise InputError("noise on activations needs patterns, and a user's matrices have none.")
        return _squared_euclidean(
            {
                (s, layer): add_pattern_noise(x, level=level, rng=rng, name=f"{s} {layer}").values
                for (s, layer), x in self.patterns.items()
            }
        )


def labelled_rdms(data: str | None, seed: int, *, networks: int, epochs: int, images: int) -> Labelled:
    """Layers of this seed's networks, or the user's matrices when the folder holds some.

    Raises
    ------
    InputError
        When the folder holds no matrices, several files of them, or matrices without labels.
    """
    if data is not None and not (Path(data) / _KNOWN).exists():
        return Labelled(_users(Path(data)))
    split = load_digits_split(seed=seed)
    own = range(seed * networks, (seed + 1) * networks)
    trained = digit_networks(own, kind="cnn8", epochs=epochs, split=split)
    shown = held_out_images(images, split=split, rng=seed)
    patterns = {
        (network.seed, layer): x for network in trained for layer, x in layer_patterns(network, shown).items()
    }
    return Labelled(_squared_euclidean(patterns), patterns, tuple(network.accuracy for network in trained))


def known_subjects(data: str | None) -> np.ndarray | None:
    """Human IT matrices of the 92-image set, shape (subjects, sessions, pairs); None when the folder lacks them."""
    if data is None or not (Path(data) / _KNOWN).exists():
        return None
    held = read_arrays(Path(data) / _KNOWN, names=("human_it", "human_it_names"))
    names = [str(name) for name in held["human_it_names"]]
    order = np.argsort(names, kind="stable")  # two sessions of a subject stand together
    return held["human_it"][order].astype(np.float64).reshape(len(names) // 2, 2, -1)


def _squared_euclidean(patterns: dict[tuple[int, str], np.ndarray]) -> RDMs:
    parts = [dissimilarities(x, measure="sqeuclidean") for x in patterns.values()]
    labels: dict[str, Any] = {
        "subject": tuple(s for s, _ in patterns),
        "region": tuple(layer for _, layer in patterns),
    }
    return replace(stack_rdms(parts), descriptors=labels)


def _users(folder: Path) -> RDMs:
    """The only file of matrices in a folder, with its labels under the names the study uses."""
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in (".npz", ".mat", ".h5", ".hdf5"))
    if len(files) != 1:
        raise InputError(
            f"{folder} must hold one file of matrices (.npz, .mat or .h5) or {_KNOWN}, got {len(files)} files."
        )
    read = read_rdms(files[0])
    labels = {}
    for wanted, names in (("subject", _SUBJECT), ("region", _REGION)):
        name = next((name for name in names if name in read.descriptors), None)
        if name is None:
            raise InputError(
                f"{files[0].name} needs one {wanted} per matrix ({len(read)}) under {' or '.join(map(repr, names))}; "
                f"it has {', '.join(map(repr, read.descriptors)) or 'no labels'}."
            )
        labels[wanted] = read.descriptors[name]
    return replace(read, descriptors=labels)
