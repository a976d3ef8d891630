"""Image classifiers and causal language models of Hugging Face, by directory or hub id."""

from __future__ import annotations

import inspect
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hodology.errors import FileFormatError, InputError, UnavailableError
from hodology.nn.load import LoadedModel
from hodology.optional import require

__all__ = ["load_hugging_face"]


def load_hugging_face(spec: str) -> LoadedModel:
    """Load with `transformers`; weights in float32, preprocessing with Pillow (torchvision is never needed).

    Parameters
    ----------
    spec : str
        A directory that ``save_pretrained`` wrote, or a hub id.

    Raises
    ------
    UnavailableError
        When the hub is out of reach and the model is not in the cache.
    FileFormatError
        When the directory is damaged.
    InputError
        When the architecture is neither an image classifier nor a causal language model.
    """
    transformers = require("transformers", extra="hf", purpose="loading a Hugging Face model")
    config = _config(transformers, spec)
    architectures = list(getattr(config, "architectures", None) or [])
    if any("ForImageClassification" in name for name in architectures):  # DeiT's ends in ...WithTeacher
        return _image_model(transformers, spec, config)
    if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in architectures):
        return _text_model(transformers, spec)
    raise InputError(
        f"model {spec!r} is {architectures or 'without architectures'}; accepted are image classifiers "
        "(...ForImageClassification) and causal language models (...ForCausalLM, ...LMHeadModel)."
    )


def _config(transformers: Any, spec: str) -> Any:
    folder = Path(spec)
    if folder.is_dir() and not (folder / "config.json").exists():
        raise FileFormatError(f"{spec} is not a model directory: it has no config.json.")
    try:
        if folder.is_dir():
            json.loads((folder / "config.json").read_text())
        return transformers.AutoConfig.from_pretrained(spec)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{folder / 'config.json'} is not valid JSON: {error}.") from error
    except (OSError, ValueError) as error:
        raise _unavailable(spec, error) from error


def _load(loader: Any, spec: str, **options: Any) -> Any:
    try:
        return loader.from_pretrained(spec, **options)
    except OSError as error:
        if Path(spec).is_dir():
            raise FileFormatError(f"{spec} cannot be loaded: {str(error).splitlines()[0]}") from error
        raise _unavailable(spec, error) from error
    except (RuntimeError, ValueError, KeyError) as error:
        raise FileFormatError(f"{spec} cannot be loaded: {str(error).splitlines()[0]}") from error
    except Exception as error:
        if type(error).__name__ == "SafetensorError":
            raise FileFormatError(f"{spec} has damaged weights: {error}") from error
        raise


def _unavailable(spec: str, error: Exception) -> Exception:
    if Path(spec).is_dir():
        return FileFormatError(f"{spec} cannot be loaded: {str(error).splitlines()[0]}")
    return UnavailableError(
        f"model {spec!r} is no local path, and as a hub id neither in the cache nor reachable; "
        "download it on a connected machine and set HF_HOME to its cache, or pass a local directory."
    )


def _float32(loader: Any) -> dict[str, Any]:
    major = int(require("transformers", extra="hf", purpose="loading").__version__.split(".")[0])
    return {("dtype" if major >= 5 else "torch_dtype"): torch.float32}


def _image_model(transformers: Any, spec: str, config: Any) -> LoadedModel:
    loader = transformers.AutoModelForImageClassification
    model = _load(loader, spec, **_float32(loader))
    process = _image_processor(transformers, spec, config)

    def prepare(contents: list[Any]) -> dict[str, Tensor]:
        if any(isinstance(content, str) for content in contents):
            raise InputError(f"model {spec!r} takes images, the data are texts.")
        return {"pixel_values": process([_as_image(content) for content in contents])}

    names = getattr(config, "id2label", None)
    labels = tuple(str(names[i]) for i in range(len(names))) if names else None
    return LoadedModel(model, "image", spec, prepare, labels)


def _image_processor(transformers: Any, spec: str, config: Any) -> Any:
    """The model's own resize, scale and normalisation; without a file of it, half-and-half with a warning."""
    try:
        try:
            processor = transformers.AutoImageProcessor.from_pretrained(spec, backend="pil")
        except TypeError:
            processor = transformers.AutoImageProcessor.from_pretrained(spec, use_fast=False)
    except (OSError, ValueError):
        size = getattr(config, "image_size", None)
        if not isinstance(size, int):
            raise InputError(f"model {spec!r} has no preprocessor_config.json and no image_size.") from None
        warnings.warn(
            f"model {spec!r} has no preprocessor_config.json: images are resized to {size} and normalised with mean "
            "and standard deviation 0.5.",
            stacklevel=2,
        )
        processor = _plain_processor(transformers, size)
    return lambda images: processor(images=images, return_tensors="pt")["pixel_values"]


def _plain_processor(transformers: Any, size: int) -> Any:
    kind = getattr(transformers, "ViTImageProcessorPil", None) or transformers.ViTImageProcessor
    half = [0.5, 0.5, 0.5]
    return kind(size={"height": size, "width": size}, image_mean=half, image_std=half)


def _as_image(content: Any) -> Any:
    """PIL images stay; arrays (h, w), (1, h, w) or (3, h, w) of floats 0..1 or bytes become RGB images."""
    if hasattr(content, "convert"):
        return content.convert("RGB")
    import numpy as np

    image = require("PIL.Image", extra="hf", purpose="preparing images")
    array = np.asarray(content)
    if array.ndim == 3 and array.shape[0] in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.dtype != np.uint8:
        array = (np.clip(array, 0.0, 1.0) * 255).astype(np.uint8)
    return image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array).convert(
        "RGB"
    )


def _text_model(transformers: Any, spec: str) -> LoadedModel:
    loader = transformers.AutoModelForCausalLM
    model = _load(loader, spec, **_float32(loader))
    tokenizer = _load(transformers.AutoTokenizer, spec)
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise InputError(
                f"the tokenizer of {spec!r} has neither a pad nor an end-of-text token; texts cannot be padded."
            )
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"  # positions then count from the first word, as in training
    longest = min(int(getattr(model.config, "max_position_embeddings", 1024) or 1024), 1024)
    takes_mask = "attention_mask" in inspect.signature(model.forward).parameters

    def prepare(contents: list[Any]) -> dict[str, Tensor]:
        if not all(isinstance(content, str) for content in contents):
            raise InputError(f"model {spec!r} takes texts, the data are images.")
        coded = tokenizer(contents, return_tensors="pt", padding=True, truncation=True, max_length=longest)
        if coded["input_ids"].shape[1] == 0 or not coded["attention_mask"].any(dim=1).all():
            raise InputError(f"a text is empty for the tokenizer of {spec!r}.")
        keys = ["input_ids", "attention_mask"] if takes_mask else ["input_ids"]
        return {key: coded[key] for key in keys}

    def encode(text: str) -> int | None:
        for form in (text, f" {text}"):  # a word that goes on begins with a space in most vocabularies
            found = tokenizer(form, add_special_tokens=False)["input_ids"]
            if len(found) == 1 and found[0] != tokenizer.unk_token_id:
                return int(found[0])
        return None

    return LoadedModel(model, "text", spec, prepare, None, lambda index: tokenizer.decode([index]), encode)
