"""Counts what taps leave in a model."""

from __future__ import annotations

import torch


def hook_count(model: torch.nn.Module) -> int:
    """Hooks and replaced calls that are left in a model."""
    return sum(
        len(m._forward_hooks)
        + len(m._forward_pre_hooks)
        + ("forward" in m.__dict__)
        + ("_call_impl" in m.__dict__)
        for m in model.modules()
    )
