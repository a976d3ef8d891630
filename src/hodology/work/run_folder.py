"""The folder of one run: empty or of a run of the same kind, with a manifest that says what it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hodology.errors import InputError
from hodology.files import read_json, write_json
from hodology.work.store import UnitStore

__all__ = ["claim_folder", "mark_folder"]


def claim_folder(
    folder: str | Path, kind: str, *, what: str, manifest: Mapping[str, Any], resume: bool
) -> UnitStore:
    """Take a folder for a run and write ``manifest.json``; results are kept in ``units/``.

    Results are named by all they depend on, so runs with other settings may share a folder and cannot mix.

    Parameters
    ----------
    folder : path
        Made when missing.
    kind : str
        Kind of run, as the manifest names it.
    what : str
        What a folder of this kind holds, for messages: ``"causal graph"``.
    manifest : mapping
        Versions, settings, fingerprints.
    resume : bool
        False refuses a folder that holds a run.

    Raises
    ------
    InputError
        When the folder is a file, holds something else, or a run that may not go on.
    """
    mark_folder(folder, kind, what=what, manifest=manifest, resume=resume)
    return UnitStore(Path(folder) / "units")


def mark_folder(
    folder: str | Path, kind: str, *, what: str, manifest: Mapping[str, Any], resume: bool
) -> None:
    """Take a folder for a run that keeps no units; parameters and errors are those of `claim_folder`."""
    folder = Path(folder)
    file = folder / "manifest.json"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; --out must be a folder.")
    if folder.exists() and any(folder.iterdir()):
        if not (file.exists() and _kind(file) == kind):
            raise InputError(f"{folder} is not empty and holds no {what}; choose another --out.")
        if not resume:
            raise InputError(f"{folder} holds a run already; choose another --out or leave --no-resume away.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{folder} cannot be a folder: a file is in its place.") from error
    write_json(file, {"format": 1, "kind": kind, **manifest})


def _kind(file: Path) -> Any:
    """Kind that a manifest names; a file of another program names none."""
    found = read_json(file)
    return found.get("kind") if isinstance(found, dict) else None
