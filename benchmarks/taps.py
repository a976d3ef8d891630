"""What listening costs: a ViT-B with all its FFN sites recorded, and a narrow GPT call by call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from benchmarks.measure import Row
from hodology.nn.models import VisionTransformer
from hodology.nn.sites import find_sites
from hodology.nn.taps import record

__all__ = ["run"]


def run(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    shape = {"width": 768, "heads": 12, "channels": 3, "classes": 1000}
    model = VisionTransformer(image_size=96 if quick else 224, rng=0, **shape).eval()  # type: ignore[arg-type]
    x = torch.randn(1, 3, 96 if quick else 224, 96 if quick else 224)
    plain, tapped = _compare(model, lambda: model(x), repeats=10 if quick else 40)
    more = tapped / plain - 1.0
    yield Row(
        "12 FFN sites recorded; ViT-B/16, batch 1",
        1e3 * tapped,
        1e3 * plain,
        "ms",
        f"{more:+.1%}",
        "2 %",
        more <= 0.02,
    )

    from transformers import GPT2Config, GPT2LMHeadModel

    gpt = GPT2LMHeadModel(GPT2Config(n_layer=12, n_embd=64, n_head=4, vocab_size=256, n_positions=64)).eval()
    tokens = torch.arange(16)[None]
    plain, tapped = _compare(gpt, lambda: gpt(tokens), repeats=40 if quick else 400)
    more = 1e3 * (tapped - plain)
    yield Row(
        "12 FFN sites recorded; GPT-2 of width 64, 16 tokens",
        1e3 * tapped,
        1e3 * plain,
        "ms",
        f"{more:+.2f} ms",
        "0.5 ms",
        more <= 0.5,
    )


def _compare(model: torch.nn.Module, call: Callable[[], object], *, repeats: int) -> tuple[float, float]:
    """Medians of the plain and the recorded pass, in seconds, taken in turns."""
    sites = find_sites(model)
    plain, tapped = [], []
    with torch.no_grad():
        for _ in range(3):
            call()
        for _ in range(repeats):
            began = time.perf_counter()
            call()
            plain.append(time.perf_counter() - began)
            began = time.perf_counter()
            with record(model, sites):
                call()
            tapped.append(time.perf_counter() - began)
    return float(np.median(plain)), float(np.median(tapped))
