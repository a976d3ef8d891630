"""One door to all data sets: a word, a path or a hub id."""

from __future__ import annotations

import re
from pathlib import Path

from hodology.data.dataset import Dataset
from hodology.errors import InputError

__all__ = ["open_dataset"]

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def open_dataset(
    spec: str,
    *,
    split: str | None = None,
    image_column: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
) -> Dataset:
    """Open what the user named.

    Parameters
    ----------
    spec : str
        ``"digits"``, ``"topics"`` or ``"topics-nested"`` (embedded, their test part; ``split="train"`` for the
        other), a folder of images (class sub-folders or flat), a text file or JSON Lines, a Parquet or Arrow file in
        the hub's image layout, a folder that `datasets` saved, or a hub id (``name`` or ``owner/name``).
    split : str, optional
        Part of a data set that has several; default validation, else test, else train.
    image_column, text_column, label_column : str, optional
        Columns of a table, when the usual ones are not meant.

    Raises
    ------
    InputError
        When nothing fits; says what is accepted.
    """
    columns = {"image_column": image_column, "text_column": text_column, "label_column": label_column}
    if spec == "digits":
        from hodology.data.digits import DigitsDataset

        return DigitsDataset(part="train" if split == "train" else "test")
    if spec in ("topics", "topics-nested"):
        from hodology.data.topics import TopicsDataset

        return TopicsDataset(part="train" if split == "train" else "test", nested=spec == "topics-nested")
    path = Path(spec)
    if path.is_dir():
        if (path / "dataset_info.json").exists() or (path / "dataset_dict.json").exists():
            return _hub(spec, split, columns)
        from hodology.data.images import ImageFolder

        return ImageFolder(path)
    if path.is_file():
        suffix = path.suffix.lower()
        if suffix in (".parquet", ".arrow", ".feather"):
            from hodology.data.arrow import ArrowFile

            return ArrowFile(path, **columns)
        if suffix in (".txt", ".text", ".md", ".jsonl", ".ndjson"):
            from hodology.data.text import TextFile

            return TextFile(path, text_column=text_column, label_column=label_column)
        raise InputError(
            f"data file {spec} has type {suffix or '(none)'}; accepted are .txt, .jsonl, .parquet and .arrow, or a "
            "folder of images."
        )
    if _HUB_ID.fullmatch(spec) and not spec.startswith(".") and not path.suffix:
        return _hub(spec, split, columns)
    raise InputError(
        f"data {spec!r} does not exist; accepted are a folder of images, a .txt, .jsonl, .parquet or .arrow file, a "
        "hub id, 'digits' or 'topics'."
    )


def _hub(spec: str, split: str | None, columns: dict[str, str | None]) -> Dataset:
    from hodology.data.hub import HubDataset, load_hub_dataset

    return HubDataset(load_hub_dataset(spec, split=split), name=spec, **columns)
