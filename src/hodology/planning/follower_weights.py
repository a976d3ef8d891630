"""Files of the weights of follower networks, under the names that the authors' released weights have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from hodology.errors import FileFormatError, InputError
from hodology.files import atomic_path, read_arrays, write_arrays
from hodology.planning.follower_network import FollowerNetwork, NetworkShape

__all__ = ["load_network", "save_network"]


def load_network(file: str | Path) -> FollowerNetwork:
    """Read weights: the authors' names in ``.npz``, or what `save_network` wrote (``.npz`` or ``.safetensors``).

    The sizes are told by the shapes of the arrays.

    Raises
    ------
    FileFormatError
        When the file is damaged, or its arrays are not those of such a network.
    """
    arrays = _read_safetensors(Path(file)) if Path(file).suffix == ".safetensors" else read_arrays(file)
    try:
        shape = _shape_of(arrays)
        network = FollowerNetwork(shape)
        network.load_state_dict(
            {ours: torch.from_numpy(arrays[theirs]) for ours, theirs in _names(shape).items()}
        )
    except (KeyError, IndexError, RuntimeError, TypeError, InputError) as error:
        raise FileFormatError(f"{file} does not hold the weights of a follower network: {error}.") from error
    unknown = set(arrays) - set(_names(shape).values())
    if unknown:
        raise FileFormatError(f"{file} holds {sorted(unknown)[0]!r}, which a follower network does not have.")
    return network.eval()


def save_network(network: FollowerNetwork, file: str | Path) -> None:
    """Write weights under the authors' names, as ``.npz`` or ``.safetensors`` by the suffix of `file`."""
    state = network.state_dict()
    arrays = {theirs: state[ours].detach().cpu().numpy() for ours, theirs in _names(network.shape).items()}
    suffix = Path(file).suffix
    if suffix == ".npz":
        write_arrays(file, arrays)
    elif suffix == ".safetensors":
        from safetensors.numpy import save_file

        with atomic_path(file) as temporary:
            save_file(arrays, temporary, {"shape": json.dumps(asdict(network.shape))})
    else:
        raise InputError(f"weights are written as .npz or .safetensors, got {str(file)!r}.")


def _names(shape: NetworkShape) -> dict[str, str]:
    """Our parameter names to the authors'."""
    layers = {"stem": "encoder.conv_head.0"}
    for k in range(shape.blocks):
        layers[f"blocks.{k}.first"] = f"encoder.conv_head.{k + 1}.res_block_core.1"
        layers[f"blocks.{k}.second"] = f"encoder.conv_head.{k + 1}.res_block_core.3"
    if shape.hidden is not None:
        layers["linear"] = "encoder.extra_linear.0"
    layers |= {"policy": "action_parameterization.distribution_linear", "value": "critic_linear"}
    names = {
        f"{ours}.{kind}": f"{theirs}.{kind}" for ours, theirs in layers.items() for kind in ("weight", "bias")
    }
    if shape.recurrent is not None:
        names |= {
            f"gru.{kind}_{part}_l0": f"core.core.{kind}_{part}_l0"
            for kind in ("weight", "bias")
            for part in ("ih", "hh")
        }
    return names


def _shape_of(arrays: Mapping[str, np.ndarray]) -> NetworkShape:
    filters = arrays["encoder.conv_head.0.weight"].shape[0]
    blocks = sum(name.endswith("res_block_core.1.weight") for name in arrays)
    linear, core = arrays.get("encoder.extra_linear.0.weight"), arrays.get("core.core.weight_hh_l0")
    first = next(
        array
        for array in (
            linear,
            arrays.get("core.core.weight_ih_l0"),
            arrays["action_parameterization.distribution_linear.weight"],
        )
        if array is not None
    )
    side = round((first.shape[1] / filters) ** 0.5)
    if side % 2 == 0 or side * side * filters != first.shape[1]:
        raise InputError(f"{first.shape[1]} features of {filters} filters are no square of odd side")
    return NetworkShape(
        radius=side // 2,
        filters=filters,
        blocks=blocks,
        hidden=None if linear is None else linear.shape[0],
        recurrent=None if core is None else core.shape[1],
    )


def _read_safetensors(file: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise FileFormatError(f"{file} cannot be read as safetensors: {error}.") from error
