"""What is known of single tensor operations: which of them keep channels apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import fx

__all__ = [
    "CONSTANT",
    "ELEMENTWISE",
    "NORMS",
    "REDUCTIONS",
    "SHAPES",
    "SPATIAL",
    "arguments",
    "channels_apart",
    "operation_name",
]

ELEMENTWISE = frozenset(
    ("relu", "relu6", "gelu", "silu", "mish", "sigmoid", "tanh", "leaky_relu", "elu", "celu", "selu")
    + ("hardtanh", "hardswish", "hardsigmoid", "softplus", "softsign", "logsigmoid", "threshold", "clamp")
    + ("clamp_min", "clamp_max", "abs", "neg", "exp", "sqrt", "square", "pow", "clone", "alias", "detach")
    + ("contiguous", "_to_copy", "lift_fresh_copy", "lift_fresh", "dropout", "feature_dropout")
)
NORMS = frozenset(
    ("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm", "batch_norm")
)
SPATIAL = frozenset(
    ("max_pool2d_with_indices", "max_pool3d_with_indices", "max_pool2d", "avg_pool1d", "avg_pool2d")
    + ("avg_pool3d", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool1d")
    + (
        "adaptive_max_pool2d",
        "adaptive_max_pool3d",
        "constant_pad_nd",
        "reflection_pad1d",
        "reflection_pad2d",
    )
    + ("replication_pad1d", "replication_pad2d", "upsample_nearest2d", "upsample_bilinear2d")
)
SHAPES = frozenset(("view", "_unsafe_view", "reshape", "flatten", "squeeze", "unsqueeze", "expand"))
REDUCTIONS = frozenset(("mean", "sum", "amax", "amin"))  # over axes that are named
CONSTANT = frozenset(("mul", "div", "add", "sub", "rsub", "prelu", "_prelu_kernel"))  # with one constant


def operation_name(node: fx.Node) -> str:
    """``"relu"`` for ``aten.relu.default``."""
    packet = getattr(node.target, "overloadpacket", None)
    return str(getattr(packet, "__name__", None) or getattr(node.target, "__name__", node.target))


def channels_apart(node: fx.Node, parent: fx.Node, shapes: Mapping[fx.Node, tuple[int, ...]]) -> bool:
    """Whether an operation of these sets leaves every row's channels (axis 1) apart and in their places.

    A pooling that reads the channels as one of its axes, a padding of channels, a constant that widens them and a
    normalisation by the statistics of the batch do not.
    """
    name, before, after = operation_name(node), shapes.get(parent, ()), shapes.get(node, ())
    if not after:  # a tuple: its first part holds the values
        firsts = [
            user for user in node.users if operation_name(user) == "getitem" and arguments(user)[1] == 0
        ]
        after = shapes.get(firsts[0], ()) if firsts else ()
    if before[:2] != after[:2] or len(before) != len(after):
        return False
    if name in NORMS:
        return not any(argument is True for argument in arguments(node)[5:6])
    if name == "constant_pad_nd":
        return len(arguments(node)[1]) <= 2 * (len(before) - 2)
    axes = re.search(r"(\d)d", name) if name in SPATIAL else None
    return axes is None or len(before) == int(axes.group(1)) + 2


def arguments(node: fx.Node) -> tuple[Any, ...]:
    """The positional arguments of an operation: nodes and plain values."""
    return tuple(node.args)
