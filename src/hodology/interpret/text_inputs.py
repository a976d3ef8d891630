"""Texts as a model reads them: a tokenizer of transformers, a loaded model, or a function of one's own."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.nn.forward import Inputs
from hodology.nn.load import LoadedModel

__all__ = [
    "TextReader",
    "check_followable",
    "context_length",
    "encode_prompt",
    "surface_texts",
    "takes_mask",
    "text_reader",
]

_SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id", "cls_token_id", "sep_token_id")
_REACH = 24  # characters that a token may lie ahead of where it is looked for


@dataclass(frozen=True, eq=False)
class TextReader:
    """How contents become inputs, and ids become texts again.

    Attributes
    ----------
    encode : callable
        From a list of contents to inputs on the CPU, padded on the right.
    decode : callable or None
        From a token id to its text.
    special : frozenset of int
        Ids that stand for no piece of a text: begin, end, padding and the like.
    unknown : int or None
        Id of words that the tokenizer does not know.
    tokenizer : object or None
        The tokenizer of transformers, when it is one.
    """

    encode: Callable[[list[Any]], Inputs]
    decode: Callable[[int], str] | None
    special: frozenset[int]
    unknown: int | None = None
    tokenizer: Any = None


def text_reader(
    model: nn.Module,
    tokenizer: Any,
    *,
    decode: Callable[[int], str] | None = None,
    special_ids: Collection[int] | None = None,
    max_length: int | None = None,
) -> TextReader:
    """Bring what a user has for texts to one form.

    Parameters
    ----------
    model : nn.Module
        Its configuration tells the context and, without a tokenizer, the special ids.
    tokenizer : transformers tokenizer, LoadedModel, callable or None
        A callable maps a list of contents to the model's inputs; None when contents are inputs already.
    decode : callable, optional
        From a token id to its text, where `tokenizer` cannot tell.
    special_ids : collection of int, optional
        In place of those that tokenizer or configuration tell.
    max_length : int, optional
        Longest row of tokens, of a tokenizer; default the model's context.

    Raises
    ------
    InputError
        When `tokenizer` is none of these.
    """
    configured = _configured_ids(model)
    special = configured if special_ids is None else frozenset(int(i) for i in special_ids)
    if isinstance(tokenizer, LoadedModel):
        return TextReader(tokenizer.prepare, decode or tokenizer.decode, special)
    if hasattr(tokenizer, "all_special_ids") and callable(tokenizer):
        found = [getattr(tokenizer, name, None) for name in _SPECIAL]
        own = frozenset(index for index in found if index is not None)
        unknown = tokenizer.unk_token_id if tokenizer.unk_token_id not in own else None
        if special_ids is None:
            special = own | (frozenset(tokenizer.all_special_ids) - {unknown})
        limit = context_length(model) if max_length is None else max_length
        return TextReader(
            _encoder(model, tokenizer, limit),
            decode or (lambda index: str(tokenizer.decode([index]))),
            special,
            unknown,
            tokenizer,
        )
    if tokenizer is None:
        return TextReader(_refuse, decode, special)
    if callable(tokenizer):
        return TextReader(tokenizer, decode, special)
    raise InputError(
        "tokenizer must be a tokenizer of transformers, a LoadedModel, a function from contents to inputs, or None for "
        f"inputs as the model takes them, got {type(tokenizer).__name__}."
    )


def encode_prompt(reader: TextReader, prompt: str) -> dict[str, Tensor]:
    """One text as a batch of one row.

    Raises
    ------
    InputError
        When the text is empty, or has words that the tokenizer does not know.
    """
    found = reader.encode([prompt])
    inputs = dict(found) if isinstance(found, Mapping) else {"input_ids": found}
    ids, mask = inputs.get("input_ids"), inputs.get("attention_mask")
    if ids is None or ids.shape[1] == 0 or (mask is not None and not bool(mask.any())):
        raise InputError(f"prompt {prompt!r} must hold at least one token for this tokenizer.")
    if reader.unknown is not None and bool((ids == reader.unknown).any()):
        raise InputError(
            f"prompt {prompt!r} has words that the tokenizer does not know; pass another prompt."
        )
    return inputs


def surface_texts(text: Any, pieces: list[str]) -> list[str]:
    """The stretch of `text` that each token stands for, with the white space before it.

    Tokenizers of words drop the spaces, others mark them in many ways; what a reader wants is the text itself. A piece
    that is not found near where it must be (bytes of a letter, changed case) stays as it is.
    """
    if not isinstance(text, str):
        return pieces
    found, at = [], 0
    for piece in pieces:
        word = piece.strip()
        place = text.find(word, at, at + len(word) + _REACH) if word else -1
        if place < 0:
            found.append(piece)
            at += len(piece) if piece.isspace() and text.startswith(piece, at) else 0
            continue
        between = text[at:place]
        start = at if not between.strip() else at + len(between.rstrip())
        found.append(text[start : place + len(word)])
        at = place + len(word)
    return found


def context_length(model: nn.Module) -> int | None:
    """Longest row of tokens that the model takes, when its configuration tells."""
    config = _config(model)
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def takes_mask(model: nn.Module) -> bool:
    """Whether the model can be called with an attention mask."""
    parameters = inspect.signature(model.forward).parameters
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    return open_ended or "attention_mask" in parameters


def check_followable(model: nn.Module) -> None:
    """Raise `InputError` for what hooks cannot follow: no module, or a compiled or scripted one."""
    if not isinstance(model, nn.Module):
        raise InputError(f"model must be a torch.nn.Module, got {type(model).__name__}.")
    if hasattr(model, "_orig_mod") or isinstance(model, torch.jit.ScriptModule):
        kind = "compiled" if hasattr(model, "_orig_mod") else "scripted"
        raise InputError(f"model is {kind}; hooks need the eager module it was made from.")


def _encoder(model: nn.Module, tokenizer: Any, limit: int | None) -> Callable[[list[Any]], Inputs]:
    """Encode and pad by hand, so that the user's tokenizer is never set to anything."""
    masked = takes_mask(model)
    warned: set[str] = set()

    def warn_once(message: str) -> None:
        if message not in warned:
            warned.add(message)
            warnings.warn(message, stacklevel=4)

    def encode(texts: list[Any]) -> Inputs:
        for text in texts:
            if not isinstance(text, str):
                raise InputError(f"texts must be strings, got {type(text).__name__}.")
        rows = tokenizer(texts, verbose=False)["input_ids"]
        if limit is not None and max(len(row) for row in rows) > limit:
            warn_once(f"texts of more than {limit} tokens are cut there (max_length or the model's context).")
            rows = tokenizer(texts, truncation=True, max_length=limit)["input_ids"]
        length = max(1, *(len(row) for row in rows))
        filler = 0
        if min(len(row) for row in rows) < length:
            filler = _filler(tokenizer, warn_once)
        ids = torch.full((len(rows), length), filler)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row, dtype=torch.int64)
            mask[index, : len(row)] = 1
        return {"input_ids": ids, "attention_mask": mask} if masked else {"input_ids": ids}

    return encode


def _filler(tokenizer: Any, warn: Callable[[str], None]) -> int:
    """The id that pads rows; the end token's for the time of the call where there is no pad token."""
    if tokenizer.pad_token_id is not None:
        return int(tokenizer.pad_token_id)
    if tokenizer.eos_token_id is None:
        raise InputError("the tokenizer has neither a pad nor an end-of-text token; texts cannot be padded.")
    warn(
        "the tokenizer has no pad token; rows are padded with its end-of-text token, behind an attention mask (set "
        "tokenizer.pad_token to silence this)."
    )
    return int(tokenizer.eos_token_id)


def _refuse(contents: list[Any]) -> Inputs:
    raise InputError(
        f"without a tokenizer texts must be the model's inputs (a tensor or a mapping of tensors), got a list of "
        f"{type(contents[0]).__name__ if contents else 'nothing'}."
    )


def _config(model: nn.Module) -> Any:
    config = getattr(model, "config", None)
    inner = getattr(config, "get_text_config", None)
    return inner() if callable(inner) else config


def _configured_ids(model: nn.Module) -> frozenset[int]:
    config = _config(model)
    found: set[int] = set()
    for name in _SPECIAL:
        value = getattr(config, name, None)
        found.update(
            v for v in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(v, int)
        )
    return frozenset(found)
