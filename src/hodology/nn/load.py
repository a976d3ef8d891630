"""Load a model by what the user typed, with the preprocessing that belongs to it.

Models of the Hugging Face hub go through `transformers` with its own cache and offline switches; a user's own
model comes from ``file.py:factory``. The weights are always computed with in float32.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.files import hash_arrays, hash_json
from hodology.nn.forward import Inputs

__all__ = ["LoadedModel", "load_model", "model_fingerprint", "stack_arrays"]

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model and how to feed it.

    Attributes
    ----------
    model : nn.Module
        In eval mode, on the chosen device.
    kind : {"image", "text", "array"}
        What `prepare` takes: PIL images, texts, or arrays as the model takes them.
    name : str
    prepare : callable
        From a list of contents to the model's inputs (on the CPU).
    class_names : tuple of str or None
    decode : callable, optional
        For a language model, from a class id to the token's text.
    encode : callable, optional
        For a language model, from a text to the id of the single token that it is, or None.
    """

    model: nn.Module
    kind: Literal["image", "text", "array"]
    name: str
    prepare: Callable[[list[Any]], Inputs]
    class_names: tuple[str, ...] | None = None
    decode: Callable[[int], str] | None = None
    encode: Callable[[str], int | None] | None = None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all parameters and buffers."""
        return model_fingerprint(self.model)

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(p.numel() for p in self.model.parameters())

    def class_name(self, index: int) -> str:
        """Name of a class, or the token of a language model, or the number."""
        if self.class_names is not None and index < len(self.class_names):
            return self.class_names[index]
        return self.decode(index) if self.decode is not None else str(index)


def load_model(spec: str, *, device: str = "cpu") -> LoadedModel:
    """Load a model.

    Parameters
    ----------
    spec : str
        ``"digits-vit"``, ``"digits-cnn"``, ``"topics-gpt"`` or ``"topics-nested-gpt"``, maybe with ``:SEED`` (the
        project's own, trained on first use), a local Hugging Face directory, a hub id, or ``file.py:factory`` (this
        runs the file's code).
    device : str
        As torch names it.

    Raises
    ------
    UnavailableError
        When a hub id is neither cached nor reachable.
    InputError, UnknownNameError
        When nothing fits, the factory fails to give a model, or the device does not exist; says what is
        accepted.
    """
    target = check_device(device)
    if re.fullmatch(r"digits-(vit|cnn)(:\d+)?", spec):
        name, _, seed = spec.partition(":")
        loaded = _digits(name, int(seed or 0))
    elif found := re.fullmatch(r"topics-(nested-)?gpt(?::(\d+))?", spec):
        from hodology.nn.topics_gpt import topics_gpt_loaded

        loaded = topics_gpt_loaded(int(found[2] or 0), nested=found[1] is not None)
    elif ".py:" in spec or spec.endswith(".py"):
        loaded = _from_file(spec)
    elif Path(spec).is_dir() or (_HUB_ID.fullmatch(spec) and not Path(spec).exists()):
        from hodology.nn.load_hf import load_hugging_face

        loaded = load_hugging_face(spec)
    else:
        raise InputError(
            f"model {spec!r} does not exist; accepted are a Hugging Face directory or hub id, file.py:factory, "
            "'digits-vit', 'digits-cnn' or 'topics-gpt'."
        )
    loaded.model.to(target).eval()
    return loaded


def check_device(device: str) -> torch.device:
    """Return the torch device, or raise `InputError` when this machine has none of the kind."""
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {device!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return found


def model_fingerprint(model: nn.Module) -> str:
    """SHA-256 of a model's class, parameters and buffers."""
    arrays = {
        name: np.frombuffer(
            value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes(), dtype=np.uint8
        )
        if value.ndim
        else value.detach().cpu().float().numpy()
        for name, value in model.state_dict().items()
    }
    shapes = {name: [str(value.dtype), list(value.shape)] for name, value in model.state_dict().items()}
    return hash_json([type(model).__name__, shapes, hash_arrays(arrays)])


def stack_arrays(contents: list[Any]) -> Tensor:
    """Default preprocessing of plain modules: arrays as they are, images as float CHW from 0 to 1.

    Raises
    ------
    InputError
        When sizes differ; return ``(model, prepare)`` from the factory then.
    """
    arrays = []
    for content in contents:
        if isinstance(content, str):
            raise InputError(
                "the model has no preprocessing for texts; return (model, prepare) from the factory."
            )
        if hasattr(content, "convert"):
            content = np.asarray(content, dtype=np.float32).transpose(2, 0, 1) / 255.0
        arrays.append(np.asarray(content, dtype=np.float32))
    shapes = {a.shape for a in arrays}
    if len(shapes) > 1:
        raise InputError(
            f"images must have one size for a model without preprocessing, got {sorted(shapes)[:2]}; return "
            "(model, prepare) from the factory."
        )
    return torch.from_numpy(np.stack(arrays))


def _digits(name: str, seed: int) -> LoadedModel:
    from hodology.nn.reference import digits_cnn, digits_vit

    model = (digits_vit if name == "digits-vit" else digits_cnn)(seed=seed).model
    return LoadedModel(model, "array", f"{name}:{seed}", stack_arrays, tuple(str(i) for i in range(10)))


class _SourceLoader(SourceFileLoader):
    """Runs a file as it stands: bytecode kept beside it is taken for current when a file of the same size was written
    within the same second, and would be litter in the user's folder."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _from_file(spec: str) -> LoadedModel:
    file, colon, name = spec.rpartition(":")
    if not colon or not name.isidentifier():
        raise InputError(f"model {spec!r} must name a function: file.py:factory.")
    path = Path(file)
    if not path.is_file():
        raise InputError(f"model file {file} does not exist.")
    module_name = f"hodology_user_{hash_json(str(path.resolve()))[:12]}"
    module_spec = importlib.util.spec_from_file_location(
        module_name, path, loader=_SourceLoader(module_name, str(path))
    )
    if path.suffix != ".py" or module_spec is None or module_spec.loader is None:
        raise InputError(f"model file {file} cannot be imported.")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_spec.name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        module_spec.loader.exec_module(module)
        factory = getattr(module, name, None)
        if factory is None:
            known = [key for key, value in vars(module).items() if callable(value)]
            raise UnknownNameError(f"{file} has no {name!r}{near_names(name, known)}.")
        if not callable(factory):
            raise InputError(f"{spec} must be a function, got {type(factory).__name__}.")
        made = factory()
    except (InputError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise InputError(f"{spec} failed: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return _as_loaded(made, spec)


def _as_loaded(made: Any, spec: str) -> LoadedModel:
    """A factory may return a module, (module, prepare), or an object with .model, .prepare and .class_names."""
    prepare: Any = stack_arrays
    names = None
    if isinstance(made, tuple) and len(made) == 2:
        made, prepare = made
    elif not isinstance(made, nn.Module) and isinstance(getattr(made, "model", None), nn.Module):
        prepare = getattr(made, "prepare", None) or stack_arrays
        names = getattr(made, "class_names", None)
        made = made.model
    if not isinstance(made, nn.Module) or not callable(prepare):
        raise InputError(
            f"{spec} must return an nn.Module or (nn.Module, prepare), got {type(made).__name__}."
        )
    if any(p.dtype in (torch.float16, torch.bfloat16) for p in made.parameters()):
        made = made.float()
    return LoadedModel(made, "array", spec, prepare, tuple(names) if names else None)
