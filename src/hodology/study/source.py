"""Which code made a result: hash of the package's sources, commit, versions."""

from __future__ import annotations

import platform
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import hodology
from hodology.files import hash_bytes, hash_json

__all__ = ["commit", "source_hash", "versions"]


@lru_cache(maxsize=1)
def source_hash() -> str:
    """Hash over all Python files of the installed package; results of other code never mix with ours."""
    root = Path(hodology.__file__).parent
    return hash_json(
        [[str(f.relative_to(root)), hash_bytes(f.read_bytes())] for f in sorted(root.rglob("*.py"))]
    )[:16]


def commit() -> str | None:
    """Commit of the checkout that the package runs from, with ``+`` when files differ; None when installed."""
    root = Path(hodology.__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        name = _git(root, "rev-parse", "--short=12", "HEAD")
        return name + ("+" if _git(root, "status", "--porcelain", "--", "src") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {"hodology": hodology.__version__, "python": platform.python_version()}
    for name in ("torch", "numpy", "scipy", "scikit-learn"):
        found[name] = metadata.version(name)
    return found


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
