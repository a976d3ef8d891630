"""Independent, named random streams from one seed.

A draw added to one stream never shifts another: ``stream(seed, "init")`` and ``stream(seed, "noise")`` are
seeded by the SHA-256 of seed and names. Global random state is neither read nor set.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from hodology.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["check_seed", "derive_seed", "stream", "torch_stream"]


def check_seed(seed: int) -> int:
    """Return `seed` as an int in 0 .. 2**63 - 1, or raise `InputError`."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= int(seed) < 2**63:
        raise InputError(f"seed must be an integer from 0 to 2**63 - 1, got {seed!r}.")
    return int(seed)


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed that depends on `seed` and on every name, in order."""
    text = "\x1f".join([str(check_seed(seed)), *(f"{type(n).__name__}:{n}" for n in names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the numpy generator of the stream called `names`.

    Examples
    --------
    >>> int(stream(0, "noise").integers(100)) == int(stream(0, "noise").integers(100))
    True
    """
    return np.random.default_rng(derive_seed(seed, *names))


def torch_stream(seed: int, *names: str | int, device: str = "cpu") -> torch.Generator:
    """Return the torch generator of the stream called `names`, on `device`."""
    import torch

    generator = torch.Generator(device=device)
    generator.manual_seed(derive_seed(seed, *names))
    return generator
