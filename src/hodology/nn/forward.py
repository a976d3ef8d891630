"""One way to call any classifier or causal language model: inputs in, class scores out.

Inputs are a tensor with the batch first, or a mapping of keyword arguments (as a tokenizer returns); outputs
are a tensor, a tuple that begins with one, or an object with ``.logits``.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hodology.errors import InputError

__all__ = [
    "Inputs",
    "batch_size",
    "call_model",
    "check_inputs",
    "last_positions",
    "select_rows",
    "to_device",
    "usable_model",
]

Inputs = Tensor | Mapping[str, Tensor]


def usable_model(model: nn.Module) -> nn.Module:
    """Return the model, or its float32 copy when it is in half precision.

    Raises
    ------
    InputError
        For what hooks cannot follow: compiled, scripted and checkpointed modules.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model must be a torch.nn.Module, got {type(model).__name__}.")
    if hasattr(model, "_orig_mod") or isinstance(model, torch.jit.ScriptModule):
        kind = "compiled" if hasattr(model, "_orig_mod") else "scripted"
        raise InputError(f"model is {kind}; hooks need the eager module it was made from.")
    for name, module in model.named_modules():
        if getattr(module, "grad_checkpointing", False) is True:
            raise InputError(
                f"module {name!r} checkpoints its blocks; call set_grad_checkpointing(False) first."
            )
    if any(p.dtype in (torch.float16, torch.bfloat16) for p in model.parameters()):
        warnings.warn("the model is in half precision; paths are computed on a float32 copy.", stacklevel=3)
        return copy.deepcopy(model).float()
    return model


def batch_size(inputs: Inputs) -> int:
    """Number of rows of `inputs`."""
    return len(_first(inputs))


def check_inputs(model: nn.Module, inputs: Inputs) -> Inputs:
    """Return `inputs` as the model can take them, or raise `InputError`.

    Integer inputs stay; float16 and bfloat16 become float32, because everything is computed in float32 or
    better. Tensors must not be empty and must lie on one device, the model's.
    """
    values = inputs.values() if isinstance(inputs, Mapping) else [inputs]
    tensors = [v for v in values if isinstance(v, Tensor)]
    if not tensors or not all(isinstance(v, Tensor) for v in values):
        kinds = ", ".join(sorted({type(v).__name__ for v in values})) or "nothing"
        raise InputError(f"inputs must be a tensor or a mapping of tensors, got {kinds}.")
    if any(t.ndim == 0 or len(t) == 0 for t in tensors):
        raise InputError(f"inputs must hold at least one row, got shape {tuple(tensors[0].shape)}.")
    if len({len(t) for t in tensors}) > 1:
        raise InputError(f"inputs must all have the same number of rows, got {[len(t) for t in tensors]}.")
    devices = {p.device for p in model.parameters()} | {t.device for t in tensors}
    if len(devices) > 1:
        raise InputError(
            f"model and inputs must be on one device, got {sorted(map(str, devices))}; move one with .to()."
        )
    if isinstance(inputs, Mapping):
        return {key: _usable(value) for key, value in inputs.items()}
    return _usable(inputs)


def select_rows(inputs: Inputs, rows: Tensor) -> Inputs:
    """Return the rows `rows` (int64) of every tensor of `inputs`."""
    if isinstance(inputs, Mapping):
        return {key: value.index_select(0, rows) for key, value in inputs.items()}
    return inputs.index_select(0, rows)


def to_device(inputs: Inputs, device: torch.device | str) -> Inputs:
    """Return `inputs` on `device`."""
    if isinstance(inputs, Mapping):
        return {key: value.to(device) for key, value in inputs.items()}
    return inputs.to(device)


def call_model(model: nn.Module, inputs: Inputs, positions: Tensor | None = None) -> Tensor:
    """Run the model and return class scores of shape ``(batch, classes)``.

    Parameters
    ----------
    model : nn.Module
    inputs : Tensor or mapping of str to Tensor
    positions : Tensor of int64, shape (batch,), optional
        For a language model (scores of shape ``(batch, tokens, classes)``): which token's scores are meant.
        By default the last one that the attention mask keeps.

    Raises
    ------
    InputError
        When the model returns something else than scores.
    """
    if isinstance(inputs, Mapping):
        scores = _scores(model(**inputs, **_no_cache(model)))
    else:
        scores = _scores(model(inputs))
    if scores.ndim == 3:
        where = last_positions(inputs, scores.shape[1]) if positions is None else positions
        scores = scores[torch.arange(len(scores), device=scores.device), where]
    if scores.ndim != 2:
        raise InputError(
            "the model must return class scores of shape (batch, classes) or (batch, tokens, classes), got "
            f"{tuple(scores.shape)}."
        )
    return scores


def last_positions(inputs: Inputs, tokens: int) -> Tensor:
    """Index of the last token that the attention mask keeps, shape ``(batch,)``; the last one without mask."""
    first = _first(inputs)
    mask = inputs.get("attention_mask") if isinstance(inputs, Mapping) else None
    if mask is None or mask.ndim != 2 or mask.shape[1] != tokens:
        return torch.full((len(first),), tokens - 1, dtype=torch.int64, device=first.device)
    kept = mask.to(torch.int64) * torch.arange(1, tokens + 1, device=mask.device)
    return (kept.max(dim=1).values - 1).clamp(min=0)


def _first(inputs: Inputs) -> Tensor:
    return next(iter(inputs.values())) if isinstance(inputs, Mapping) else inputs


def _usable(value: Tensor) -> Tensor:
    """Half precision is widened; tensors made in inference mode are copied, autograd refuses them."""
    if value.dtype in (torch.float16, torch.bfloat16):
        value = value.float()
    return value.clone() if value.is_inference() else value


def _scores(output: Any) -> Tensor:
    logits = getattr(output, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    if isinstance(output, (tuple, list)) and output and isinstance(output[0], Tensor):
        return output[0]
    if isinstance(output, Tensor):
        return output
    raise InputError(f"the model must return a tensor, a tuple or .logits, got {type(output).__name__}.")


def _no_cache(model: nn.Module) -> dict[str, bool]:
    """Language models fill a key-value cache by default; a pass that is repeated must not."""
    config = getattr(model, "config", None)
    if not hasattr(config, "use_cache"):
        return {}
    parameters = inspect.signature(model.forward).parameters
    return {"use_cache": False} if "use_cache" in parameters else {}
