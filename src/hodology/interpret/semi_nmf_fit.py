"""From a matrix and settings to factors: restarts, the final coefficients and the error, for tensors and arrays alike."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from hodology.errors import InputError
from hodology.interpret.semi_nmf_init import InitName, start_coefficients
from hodology.interpret.semi_nmf_input import row_blocks, to_host
from hodology.interpret.semi_nmf_loop import Rules, Run, factorise
from hodology.interpret.semi_nmf_nnls import nonnegative_coefficients
from hodology.interpret.semi_nmf_updates import Steps, TorchSteps

__all__ = ["best_coefficients", "place", "run_restarts", "squared_residual"]


def place(x: Any, *, backend: str, device: str) -> Any:
    """The matrix as the backend's own kind of array, in place where that can be.

    Raises
    ------
    InputError
        When there is no such device, or it is none of the backend's.
    """
    if backend == "numpy":
        if device != "cpu":
            raise InputError(f"device must be 'cpu' with backend='numpy', got {device!r}.")
        return to_host(x)
    import torch

    try:
        target = torch.device(device)
    except RuntimeError as error:
        raise InputError(
            f"device must be 'cpu' or a CUDA device such as 'cuda:0', got {device!r}."
        ) from error
    if target.type not in ("cpu", "cuda"):  # others lack float64
        raise InputError(f"device must be 'cpu' or a CUDA device such as 'cuda:0', got {device!r}.")
    if target.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device!r} asks for CUDA, which is not available here; use 'cpu'.")
    if isinstance(x, torch.Tensor):
        return x.to(target)
    if any(stride < 0 for stride in x.strides):  # torch has none
        x = x.copy()
    with warnings.catch_warnings():  # read-only arrays (memory maps) are only read
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.require(x, requirements="A")).to(target)


def run_restarts(
    x: Any,
    *,
    square: float,
    n_components: int,
    init: InitName | np.ndarray,
    rules: Rules,
    restarts: int,
    seed: int,
    copy: bool,
) -> tuple[Run, np.ndarray, list[float]]:
    """Run every restart; the best run, its components (k, d) in the units of `x`, and the loss of each run.

    Parameters
    ----------
    x : Tensor or ndarray, shape (n, d)
    square : float
        Mean of its squared entries.
    copy : bool
        Whether a second copy of the data may be held for speed.
    """
    scale, norm2 = math.sqrt(square), float(x.shape[0]) * x.shape[1]
    reduced = rules.count is None and _worth_reducing(x.shape, n_components, rules.max_iter * restarts)
    share = 1.0 if rules.count is None else rules.count / x.shape[1]
    data = _reduced(x) if reduced else x
    steps = _steps(data, scale=scale, norm2=norm2, share=share, copy=copy)

    def run_once(restart: int) -> Run:
        return factorise(
            steps, start_coefficients(init, data, n_components, seed=seed, restart=restart), rules
        )

    best = run_once(0)
    losses = [best.loss]
    for restart in range(1, restarts):
        run = run_once(restart)
        losses.append(run.loss)
        best = run if run.loss < best.loss else best
    features = best.h
    if reduced:
        steps = _steps(x, scale=scale, norm2=norm2, share=1.0, copy=False)
        features = steps.features(best.g, steps.gram(best.g))
    return best, steps.host(features) * scale, losses


def best_coefficients(x: Any, components: np.ndarray, *, start: np.ndarray | None = None) -> np.ndarray:
    """Non-negative least-squares coefficients of the rows of `x`, float64 of shape (n, k)."""
    wide = components.astype(np.float64)
    gram = wide @ wide.T
    out = np.empty((len(x), len(components)))
    for rows in row_blocks(x):
        products = _times(x[rows], wide.T)
        out[rows] = nonnegative_coefficients(gram, products, start=None if start is None else start[rows])
    return out


def squared_residual(x: Any, coefficients: np.ndarray, components: np.ndarray) -> float:
    """||X - Y H||^2 in float64, a block of rows at a time."""
    wide = components.astype(np.float64)
    total = 0.0
    for rows in row_blocks(x):
        rest = coefficients[rows].astype(np.float64) @ wide
        rest -= to_host(x[rows]).astype(np.float64)
        total += float(np.vdot(rest, rest))
    return total


def _steps(x: Any, *, scale: float, norm2: float, share: float, copy: bool) -> Steps:
    if isinstance(x, np.ndarray):
        from hodology.interpret.semi_nmf_numpy import NumpySteps

        return NumpySteps(x, scale=scale, norm2=norm2)
    return TorchSteps(x, scale=scale, norm2=norm2, share=share, copy=copy)


def _worth_reducing(shape: tuple[int, ...], k: int, iterations: int) -> bool:
    """Whether a QR of 2 d n^2 operations saves more than half of 4 d n k per iteration."""
    n, d = shape
    return 2 * n <= d and k * iterations > 2 * n


def _reduced(x: Any) -> Any:
    """R^T (n x n) of the QR decomposition of X^T: the same samples in a basis of the space they span.

    Dense semi-NMF only sees distances, which do not change.
    """
    if isinstance(x, np.ndarray):
        triangle: Any = np.linalg.qr(x.T, mode="r")
        return triangle.T
    import torch

    return torch.linalg.qr(x.T, mode="r").R.T


def _times(block: Any, matrix: np.ndarray) -> np.ndarray:
    if isinstance(block, np.ndarray):
        return block.astype(np.float64) @ matrix
    return to_host(block.double() @ block.new_tensor(matrix, dtype=block.double().dtype))
