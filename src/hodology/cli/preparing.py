"""What comes before a command's own work: embedded models are trained with a bar, libraries are quietened."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hodology.planning.follower_network import FollowerNetwork

__all__ = ["quiet_libraries", "train_embedded", "trained_network"]


def train_embedded(spec: str, *, quiet: bool) -> None:
    """Train an embedded model with a bar when it is not in the cache yet; does nothing for other models."""
    found = re.fullmatch(r"(digits-vit|digits-cnn|topics-gpt|topics-nested-gpt)(?::(\d+))?", spec)
    if found is None:
        return
    from hodology.cli.progress import progress_bar

    with progress_bar(f"Training {found[1]} (first use)", quiet=quiet, hidden=True) as bar:

        def on_epoch(done: int, epochs: int, loss: float) -> None:
            bar.start(epochs)
            bar.advance(1)

        _train(found[1], int(found[2] or 0), on_epoch)


def _train(name: str, seed: int, on_epoch: Callable[[int, int, float], None]) -> None:
    if name.startswith("topics"):
        from hodology.data.topics import load_topics_split
        from hodology.nn.topics_gpt import topics_gpt

        topics_gpt(load_topics_split(seed=seed, nested="nested" in name), seed=seed, on_epoch=on_epoch)
        return
    from hodology.nn.reference import digits_cnn, digits_vit

    (digits_vit if name == "digits-vit" else digits_cnn)(seed=seed, on_epoch=on_epoch)


def trained_network(*, quiet: bool) -> FollowerNetwork:
    """The embedded Follower network, trained with a bar when it is not in the cache yet (about a minute)."""
    from hodology.cli.progress import progress_bar
    from hodology.planning.trained_follower import trained_follower

    steps = 1_200_000
    with progress_bar("Training a follower (first use)", quiet=quiet, hidden=True) as bar:
        done = 0

        def on_update(row: object) -> None:
            nonlocal done
            bar.start(steps)
            bar.advance(row.steps - done)  # type: ignore[attr-defined]
            done = row.steps  # type: ignore[attr-defined]

        return trained_follower(steps=steps, on_update=on_update)


def quiet_libraries() -> None:
    """Keep the loading chatter of transformers off the terminal; errors still show, the user's settings win."""
    import os

    for name, value in (
        ("TRANSFORMERS_VERBOSITY", "error"),
        ("HF_HUB_DISABLE_PROGRESS_BARS", "1"),
        ("TQDM_DISABLE", "1"),
    ):
        os.environ.setdefault(name, value)
