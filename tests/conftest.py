"""Shared by all tests: a home of their own, one thread, tiny models."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

settings.register_profile("hodology", deadline=None)  # nothing is timed in tests
settings.load_profile("hodology")

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # benchmarks/ holds the plain reference of the search


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Results and cached models of the tests never meet the user's."""
    before = os.environ.get("HODOLOGY_HOME")
    os.environ["HODOLOGY_HOME"] = str(tmp_path_factory.mktemp("home"))
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_DATASETS_OFFLINE"] = "1"
    torch.set_num_threads(1)
    yield
    if before is None:
        del os.environ["HODOLOGY_HOME"]
    else:
        os.environ["HODOLOGY_HOME"] = before


@pytest.fixture(autouse=True)
def _same_draws() -> None:
    """Models that a test leaves to chance are the same in every run, whatever the order of the tests."""
    torch.manual_seed(0)


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets; tests that ask for it are skipped without."""
    folder = Path(os.environ.get("HODOLOGY_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data: set HODOLOGY_DATA to their folder")
    return folder


@pytest.fixture
def vit() -> torch.nn.Module:
    """A random ViT whose scores are far from uniform: 3 blocks, 12 hidden units."""
    from hodology.nn.models import VisionTransformer

    model = VisionTransformer(
        image_size=8, patch_size=4, depth=3, width=16, heads=2, hidden=12, classes=5, rng=3
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.5)
    return model.eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(7))
