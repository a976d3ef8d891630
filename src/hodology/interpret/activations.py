"""The hidden activations of many texts or images as one matrix, with what each row was.

For semi-NMF the layer is what enters the down projection of a feed-forward block (after the non-linearity; the
gate's product in a gated block). Tokens are rows, units are columns; nothing is centred or scaled. Padding is always
left out, begin-of-text and other special tokens by default.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.interpret.activation_table import ActivationTable, code_labels
from hodology.interpret.positions import has_class_token
from hodology.interpret.text_inputs import TextReader, check_followable, surface_texts, text_reader
from hodology.nn.forward import Inputs, batch_size, call_model, select_rows, to_device
from hodology.nn.load import check_device
from hodology.nn.sites import Site, resolve_sites
from hodology.nn.taps import evaluation_mode, hook_site, record

__all__ = ["ActivationTable", "Texts", "collect_activations"]

Texts = Sequence[Any] | Mapping[str, Sequence[Any]] | Inputs
_LEADING = ("dist_token", "distillation_token")  # second tokens of distilled models
_REGISTERS = ("reg_token", "register_tokens")


def collect_activations(
    model: nn.Module,
    tokenizer: Any,
    texts: Texts,
    layer: str | int | Site,
    *,
    labels: Sequence[Any] | np.ndarray | None = None,
    batch_size: int = 32,
    max_length: int | None = None,
    max_tokens: int | None = None,
    drop_special: bool = True,
    special_ids: Collection[int] | None = None,
    decode: Callable[[int], str] | None = None,
    device: str | None = None,
    on_batch: Callable[[int, int], None] | None = None,
) -> ActivationTable:
    """Record the activity of one layer for every token.

    Parameters
    ----------
    model : nn.Module
        Run in eval mode and in its own precision, as far as the layer; never changed.
    tokenizer : transformers tokenizer, LoadedModel, callable or None
        A callable maps a list of contents to the model's inputs (with an attention mask where it pads). None
        when `texts` are inputs already.
    texts : sequence of str, mapping, Tensor
        Texts; or ``{label: texts}``; or images (what the callable takes); or the inputs themselves, a tensor or a
        mapping of tensors with the samples first. Texts without a token are passed over.
    layer : str, int or Site
        An integer picks among the feed-forward sites (negative from the end); a name is any site of
        `hodology.nn.sites`, ``"transformer.h.1.mlp.c_proj:input"`` for what enters a GPT-2's down projection.
    labels : sequence of int, str or None, optional
        One per text; every token gets its text's.
    batch_size : int
        Texts in one pass.
    max_length : int, optional
        Longest row of tokens; default the model's context. Longer texts are cut, with a warning.
    max_tokens : int, optional
        Stop when so many tokens are collected: the matrix takes ``4 * max_tokens * units`` bytes at most.
    drop_special : bool
        Leave out begin, end and other special tokens (unknown words stay); of an image model the class token, the
        distillation token and registers, which have negative positions.
    special_ids : collection of int, optional
        Which ids are special, in place of what the tokenizer or the model's configuration tells.
    decode : callable, optional
        From a token id to its text, when `tokenizer` cannot tell.
    device : str, optional
        Where to run; default the model's own place. Elsewhere a copy of the model runs.
    on_batch : callable, optional
        Progress: texts done, texts in all.

    Returns
    -------
    ActivationTable
        Float32, in the order of the texts and of their tokens.

    Raises
    ------
    UnknownNameError
        When the layer does not exist; lists near names.
    InputError
        For texts without tokens, a layer that carries no vector per token or is reached several times in one
        pass, and activity that is not finite.

    Notes
    -----
    Feature maps ``(samples, channels, height, width)`` are read as ``height * width`` tokens of ``channels`` units;
    channels last where the layer's width says so. A layer that gives one vector per sample gives one token.
    """
    check_followable(model)
    for name, value in {"batch_size": batch_size, "max_tokens": max_tokens, "max_length": max_length}.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InputError(f"{name} must be an integer of at least 1, got {value!r}.")
    site = resolve_sites(model, [layer])[0]
    reader = text_reader(model, tokenizer, decode=decode, special_ids=special_ids, max_length=max_length)
    contents, labels = _contents(texts, labels)
    coded, names = (None, ()) if labels is None else code_labels(labels)
    total = len(contents) if isinstance(contents, list) else _rows(contents)
    if coded is not None and len(coded) != total:
        raise InputError(f"labels must be one per text, got {len(coded)} labels for {total} texts.")
    model = _placed(model, device)
    parts: deque[_Part] = deque()
    count = 0
    with evaluation_mode(model), torch.no_grad():
        for first, inputs, raw in _batches(contents, reader, batch_size):
            inputs = to_device(inputs, next(model.parameters()).device)
            if first == 0:
                _check_once(model, inputs, site)
            part = _collect(model, inputs, site, reader, first, raw, drop_special=drop_special)
            parts.append(part if max_tokens is None else part.head(max_tokens - count))
            count += len(parts[-1].matrix)
            if on_batch is not None:
                on_batch(min(first + batch_size, total), total)
            if count == max_tokens:
                break
    if count == 0:
        raise InputError("texts must hold at least one token that is not special, got none.")
    return _joined(parts, count, coded, names, site.name)


@dataclass(frozen=True)
class _Part:
    """Rows of one batch."""

    matrix: np.ndarray
    token_ids: np.ndarray
    tokens: list[str]
    samples: np.ndarray
    positions: np.ndarray

    def head(self, count: int) -> _Part:
        return _Part(
            self.matrix[:count],
            self.token_ids[:count],
            self.tokens[:count],
            self.samples[:count],
            self.positions[:count],
        )


class _ReachedError(Exception):
    """Ends a pass when the layer has been read; what lies behind it need not be computed."""


def _read_layer(model: nn.Module, inputs: Inputs, site: Site) -> Tensor:
    held: list[Tensor] = []

    def stop(value: Tensor) -> Tensor:
        held.append(value)
        raise _ReachedError

    with hook_site(model, site, stop):
        try:
            call_model(model, inputs)
        except _ReachedError:
            return held[0]
    raise InputError(f"layer {site.name!r} is not reached in a forward pass of {type(model).__name__}.")


def _check_once(model: nn.Module, inputs: Inputs, site: Site) -> None:
    """A layer that several blocks share has no activity of its own."""
    row = select_rows(inputs, torch.zeros(1, dtype=torch.int64, device=next(model.parameters()).device))
    with record(model, [site]) as recording:
        if isinstance(row, Mapping):
            model(**row)
        else:
            model(row)
    times = recording.calls.get(site.name, 0)
    if times > 1:
        raise InputError(
            f"layer {site.name!r} is reached {times} times in one pass (blocks share it); its activity is not one matrix."
        )


def _collect(
    model: nn.Module,
    inputs: Inputs,
    site: Site,
    reader: TextReader,
    first: int,
    raw: list[Any] | None,
    *,
    drop_special: bool,
) -> _Part:
    ids = _input_ids(inputs)
    carried = _read_layer(model, inputs, site)
    value = _by_token(carried, site, None if ids is None else tuple(ids.shape))
    rows, length = value.shape[:2]
    mask = inputs.get("attention_mask") if isinstance(inputs, Mapping) and ids is not None else None
    real = torch.ones(rows, length, dtype=torch.bool, device=value.device)
    if mask is not None and mask.shape == real.shape:
        real = mask.bool()
    leading = _leading_tokens(model) if ids is None and carried.ndim == 3 and length > 1 else 0
    place = real.cumsum(dim=1) - 1 - leading
    kept = real
    if drop_special and ids is not None:
        special = torch.tensor(sorted(reader.special), dtype=torch.int64, device=ids.device)
        kept = real & ~torch.isin(ids, special)
    elif drop_special:
        kept = place >= 0
    matrix = value[kept].to(torch.float32).cpu().numpy()
    owner = kept.nonzero()[:, 0].cpu().numpy() + first
    if not np.isfinite(matrix).all():
        row = int(np.argmin(np.isfinite(matrix).all(axis=1)))
        raise InputError(f"the activity of layer {site.name!r} is not finite in sample {owner[row]}.")
    found = np.full(len(matrix), -1, dtype=np.int64) if ids is None else ids[kept].cpu().numpy()
    where = place[kept].cpu().numpy()
    if ids is None:
        texts = [f"patch {i}" if i >= 0 else f"leading token {i + leading}" for i in where.tolist()]
    else:
        texts = _token_texts(ids, real, kept, reader, raw)
    return _Part(matrix, found, texts, owner, where)


def _by_token(value: Tensor, site: Site, ids: tuple[int, ...] | None) -> Tensor:
    """Activity as ``(samples, tokens, units)``."""
    if ids is not None:
        if value.ndim == 2 and len(value) == ids[0] * ids[1]:
            value = value.reshape(*ids, -1)  # some models run all tokens of a batch in one row
        if value.ndim != 3 or tuple(value.shape[:2]) != ids:
            raise InputError(
                f"layer {site.name!r} carries shape {tuple(value.shape)} for token ids of shape {ids}, "
                "not one vector per token."
            )
        return value
    if value.ndim == 4:
        last = site.width is not None and value.shape[3] == site.width and value.shape[1] != site.width
        return value.flatten(1, 2) if last else value.flatten(2).mT
    if value.ndim == 2:
        return value[:, None]
    if value.ndim != 3:
        raise InputError(f"layer {site.name!r} carries shape {tuple(value.shape)}, not one vector per token.")
    return value


def _token_texts(
    ids: Tensor, real: Tensor, kept: Tensor, reader: TextReader, raw: list[Any] | None
) -> list[str]:
    """Text of each kept token; special tokens take no part in finding where a text's tokens lie."""
    decode = reader.decode or (lambda index: f"#{index}")
    known: dict[int, str] = {}
    found: list[list[str]] = []
    for row, mask, keep in zip(ids.tolist(), real.tolist(), kept.tolist(), strict=True):
        pieces = []
        for index, is_real in zip(row, mask, strict=True):
            if is_real and index not in known:
                known[index] = decode(index)
            pieces.append(known[index] if is_real else "")
        places = [i for i, is_real in enumerate(mask) if is_real and row[i] not in reader.special]
        text = None if raw is None else raw[len(found)]
        for at, surface in zip(places, surface_texts(text, [pieces[i] for i in places]), strict=True):
            pieces[at] = surface
        found.append([piece for piece, is_kept in zip(pieces, keep, strict=True) if is_kept])
    return [piece for row in found for piece in row]


def _leading_tokens(model: nn.Module) -> int:
    """Class token, distillation token and registers that stand before the patches."""
    count = int(has_class_token(model))
    for name, parameter in model.named_parameters():
        end = name.rpartition(".")[2]
        if end in _LEADING:
            count += 1
        elif end in _REGISTERS and parameter.ndim == 3:
            count += parameter.shape[1]
    return count


def _input_ids(inputs: Inputs) -> Tensor | None:
    if isinstance(inputs, Mapping):
        return inputs.get("input_ids")
    whole = not inputs.is_floating_point() and inputs.ndim == 2 and inputs.dtype != torch.uint8
    return inputs if whole else None


def _contents(texts: Texts, labels: Any) -> tuple[list[Any] | Inputs, Any]:
    """A list of contents or inputs, and labels."""
    if isinstance(texts, Tensor) or isinstance(texts, Mapping) and _all_tensors(texts):
        return texts, labels  # type: ignore[return-value]
    if isinstance(texts, Mapping):
        if labels is not None:
            raise InputError("labels must be None when texts come as {label: texts}.")
        for name, group in texts.items():
            if isinstance(group, str) or not isinstance(group, Sequence):
                raise InputError(f"texts[{name!r}] must be a list of texts, got {type(group).__name__}.")
        found = [(text, str(name)) for name, group in texts.items() for text in group]
        return [text for text, _ in found], [name for _, name in found]
    if isinstance(texts, (str, bytes)):
        raise InputError(f"texts must be a list of texts, got a single {type(texts).__name__}.")
    contents = list(texts)
    if not contents:
        raise InputError("texts must hold at least one text, got none.")
    return contents, labels


def _all_tensors(texts: Mapping[str, Any]) -> bool:
    return bool(texts) and all(isinstance(value, Tensor) for value in texts.values())


def _rows(inputs: Inputs) -> int:
    rows = batch_size(inputs)
    if rows == 0:
        raise InputError("texts must hold at least one sample, got none.")
    return rows


def _batches(
    contents: list[Any] | Inputs, reader: TextReader, size: int
) -> Iterator[tuple[int, Inputs, list[Any] | None]]:
    """First sample, inputs and, where they are known, contents of every batch."""
    total = len(contents) if isinstance(contents, list) else _rows(contents)
    for first in range(0, total, size):
        if isinstance(contents, list):
            some = contents[first : first + size]
            yield first, reader.encode(some), some
        else:
            device = contents.device if isinstance(contents, Tensor) else next(iter(contents.values())).device
            yield (
                first,
                select_rows(contents, torch.arange(first, min(first + size, total), device=device)),
                None,
            )


def _placed(model: nn.Module, device: str | None) -> nn.Module:
    if device is None or check_device(device) == next(model.parameters()).device:
        return model
    return copy.deepcopy(model).to(device)


def _joined(
    parts: deque[_Part], count: int, labels: np.ndarray | None, names: tuple[str, ...], layer: str
) -> ActivationTable:
    """One table; each part is let go when it has been copied, so that the data are held about once."""
    matrix = np.empty((count, parts[0].matrix.shape[1]), dtype=np.float32)
    ids, tokens, samples, positions = [], [], [], []
    at = 0
    while parts:
        part = parts.popleft()
        matrix[at : at + len(part.matrix)] = part.matrix
        at += len(part.matrix)
        ids.append(part.token_ids)
        tokens.extend(part.tokens)
        samples.append(part.samples)
        positions.append(part.positions)
    owner = np.concatenate(samples)
    return ActivationTable(
        matrix=matrix,
        token_ids=np.concatenate(ids),
        tokens=tuple(tokens),
        samples=owner,
        positions=np.concatenate(positions),
        labels=None if labels is None else labels[owner],
        label_names=names,
        layer=layer,
    )
