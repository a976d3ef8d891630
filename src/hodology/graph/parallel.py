"""Many queries over one graph in threads: the compiled searches release the interpreter's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from hodology.errors import InputError

__all__ = ["check_jobs", "ordered_map"]

Q = TypeVar("Q")
R = TypeVar("R")


def check_jobs(jobs: int) -> int:
    """Return `jobs`, or raise `InputError` when it is below 1."""
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise InputError(f"jobs must be an integer of at least 1, got {jobs!r}.")
    return jobs


def ordered_map(function: Callable[[Q], R], queries: Iterable[Q], *, jobs: int = 1) -> Iterator[R]:
    """Yield ``function(query)`` in the order of the queries; `jobs` threads run a little ahead of the reader.

    Queries are taken as they are needed, so that a stream of them may be endless.
    """
    if check_jobs(jobs) == 1:
        yield from map(function, queries)
        return
    with ThreadPoolExecutor(jobs) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for query in queries:
                waiting.append(pool.submit(function, query))
                if len(waiting) > 4 * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
