"""Which class of a model a data set's label, or a word of the user, means."""

from __future__ import annotations

from collections.abc import Sequence

from hodology.errors import UnknownNameError, near_names
from hodology.nn.load import LoadedModel

__all__ = ["find_class", "known_label", "map_labels"]


def find_class(loaded: LoadedModel, text: str, *, classes: int) -> int:
    """The class that a user's word names: an id, a class name of the model, or a single token.

    Parameters
    ----------
    loaded : LoadedModel
    text : str
    classes : int
        Number of classes of the model.

    Raises
    ------
    UnknownNameError
        With near names.
    """
    if text.isdigit() and int(text) < classes:
        return int(text)
    names = list(loaded.class_names or ())
    plain = [_plain_name(name) for name in names]
    if plain.count(_plain_name(text)) == 1:
        return plain.index(_plain_name(text))
    token = loaded.encode(text) if loaded.encode is not None else None
    if token is not None:
        return token
    known = near_names(text, names) if names else ""
    raise UnknownNameError(f"class {text!r} is none of the model's {classes} classes{known}.")


def map_labels(class_names: Sequence[str] | None, loaded: LoadedModel) -> dict[int, int] | None:
    """Map a data set's label indices to the model's classes.

    By name where both have names (case and underscores aside), for a language model by the single token that a
    name is; without names on the data's side (then the mapping is empty) an index is taken as the model's class.
    Names that the model lacks, or has twice, are left out: such labels are unknown. None when no name fits.
    """
    if class_names is None:
        return {}
    if loaded.encode is not None:
        tokens = {i: loaded.encode(name) for i, name in enumerate(class_names)}
        return {i: token for i, token in tokens.items() if token is not None} or None
    if loaded.class_names is None:
        return {i: i for i in range(len(class_names))}
    plain = [_plain_name(name) for name in loaded.class_names]
    known = {name: i for i, name in enumerate(plain) if plain.count(name) == 1}
    found = {i: known[_plain_name(name)] for i, name in enumerate(class_names) if _plain_name(name) in known}
    if found:
        return found
    placeholders = all(name.startswith("LABEL_") for name in loaded.class_names)
    if placeholders and len(class_names) == len(loaded.class_names):
        return {i: i for i in range(len(class_names))}
    return None


def known_label(label: int | None, mapping: dict[int, int] | None) -> int:
    """The model's class of an item's label under a mapping of `map_labels`; -1 where it is unknown."""
    if label is None or mapping is None:
        return -1
    return mapping.get(label, label if not mapping else -1)


def _plain_name(name: str) -> str:
    return name.split(",")[0].strip().lower().replace("_", " ")
