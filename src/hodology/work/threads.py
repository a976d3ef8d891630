"""How many threads a unit's arithmetic uses.

Sums split over another number of threads round otherwise, so equal bits need equal threads. Libraries read
environment variables when they are loaded and have switches of their own afterwards; both are set here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hodology.errors import InputError

__all__ = ["check_threads", "limited_threads", "set_threads", "thread_variables"]

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def check_threads(threads: int | None) -> int | None:
    """Return `threads`, or raise `InputError` when it is below 1."""
    if threads is not None and threads < 1:
        raise InputError(f"threads must be at least 1, got {threads}.")
    return threads


@contextmanager
def thread_variables(threads: int, *, numba: bool = False) -> Iterator[None]:
    """Set the variables that libraries, and processes started meanwhile, read when they load; restore them.

    Numba refuses a changed variable once it runs, so its own is left alone unless `numba` is True.
    """
    names = (*_VARIABLES, "NUMBA_NUM_THREADS") if numba else _VARIABLES
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def limited_threads(threads: int | None) -> Iterator[None]:
    """Use `threads` threads in torch and BLAS of this process within the block; None changes nothing."""
    if threads is None:
        yield
        return
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    before = torch.get_num_threads()
    with thread_variables(threads), threadpool_limits(threads):
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def set_threads(threads: int | None) -> None:
    """Use `threads` threads from now on in this (worker) process; None changes nothing."""
    if threads is None:
        return
    from threadpoolctl import threadpool_limits

    os.environ.update(dict.fromkeys(_VARIABLES, str(threads)))
    threadpool_limits(threads)
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)
