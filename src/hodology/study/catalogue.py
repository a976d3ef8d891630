"""The catalogue of all 45 papers, read from one data file; imports nothing heavy."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from hodology.errors import UnknownNameError, near_names
from hodology.files import read_json, results_dir

__all__ = ["Paper", "find_paper", "find_record", "papers", "state_of"]


@dataclass(frozen=True)
class Paper:
    """One paper of the catalogue.

    Attributes
    ----------
    number : int
    slug, title, reference : str
        `reference` is authors, venue and year.
    wing : str
        Where its method lives.
    question : str
        What its study asks.
    module : str or None
        Module of the study; None while it is not built.
    """

    number: int
    slug: str
    title: str
    reference: str
    wing: str
    question: str
    module: str | None = None


@lru_cache(maxsize=1)
def papers() -> tuple[Paper, ...]:
    """All papers by number."""
    text = resources.files("hodology.study").joinpath("catalogue.json").read_text(encoding="utf-8")
    return tuple(Paper(**entry) for entry in json.loads(text))


def find_paper(name: str) -> Paper:
    """Return a paper by slug, number, or both (``neuron-path``, ``1``, ``01-neuron-path``).

    Raises
    ------
    UnknownNameError
        With near slugs.
    """
    for paper in papers():
        if name in (paper.slug, str(paper.number), f"{paper.number:02d}", f"{paper.number:02d}-{paper.slug}"):
            return paper
    raise UnknownNameError(
        f"study {name!r} is not in the catalogue{near_names(name, [p.slug for p in papers()])}."
    )


def find_record(slug: str, *, size: str | None = None) -> dict[str, Any] | None:
    """Return the result of a study: the user's own, else the one that came with the package.

    Parameters
    ----------
    slug : str
    size : {"standard", "quick"}, optional
        Default: standard if there is one, else quick.
    """
    published = Path(str(resources.files("hodology.study").joinpath("published")))
    for folder in (results_dir(), published):
        for kind in (size,) if size else ("standard", "quick"):
            file = folder / f"{slug}-{kind}.json"
            if os.path.exists(file):
                return read_json(file)
    return None


def state_of(paper: Paper) -> str:
    """``not built``, ``not run``, ``holds``, ``partly`` or ``does not hold``, from the results on disk."""
    if paper.module is None:
        return "not built"
    record = find_record(paper.slug)
    return record["state"] if record else "not run"
