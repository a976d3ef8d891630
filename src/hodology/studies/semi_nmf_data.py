"""The user's own language model and labelled texts for the semi-NMF study: ``DIR/model`` and ``DIR/texts.jsonl``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hodology.data import open_dataset
from hodology.errors import InputError
from hodology.nn.load import load_model
from hodology.rng import stream

__all__ = ["LabelledTexts", "TextModel", "real_texts"]


@dataclass(frozen=True, eq=False)
class LabelledTexts:
    """Sentences and the concept of each, as `hodology.data.topics.TopicCorpus` has them."""

    sentences: list[str]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.sentences)


@dataclass(frozen=True, eq=False)
class TextModel:
    """A language model with texts to read features in.

    Attributes
    ----------
    model : nn.Module
    tokenizer : LoadedModel
        Feeds the model; `collect_activations` takes it.
    test : LabelledTexts
    """

    model: Any
    tokenizer: Any
    test: LabelledTexts


def real_texts(folder: str, seed: int) -> TextModel:
    """The model and the labelled texts of a folder, the texts in an order drawn by the seed.

    Raises
    ------
    InputError
        When there is no file of texts, or fewer than two labels with twelve texts each.
    """
    files = [Path(folder) / f"texts{suffix}" for suffix in (".jsonl", ".parquet", ".arrow")]
    file = next((f for f in files if f.is_file()), None)
    if file is None:
        raise InputError(
            f"{folder} must hold 'model' and 'texts.jsonl' (or .parquet, .arrow) with text and label."
        )
    loaded, dataset = load_model(str(Path(folder) / "model")), open_dataset(str(file))
    items = [item for item in dataset.items(0, len(dataset)) if item.label is not None]
    raw = np.array([item.label for item in items], dtype=np.int64)
    names, labels, counts = np.unique(raw, return_inverse=True, return_counts=True)
    if len(names) < 2 or counts.min() < 12:
        raise InputError(
            f"{file} must hold at least two labels with 12 texts each, got {dict(zip(names, counts))}."
        )
    order = stream(seed, "texts").permutation(len(items))
    return TextModel(loaded.model, loaded, LabelledTexts([items[i].content for i in order], labels[order]))
