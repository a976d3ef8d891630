"""Images: decoding with Pillow, folders of files, thumbnails."""

from __future__ import annotations

import base64
import io
import re
import struct
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hodology.data.dataset import Dataset, Item
from hodology.errors import FileFormatError, InputError
from hodology.files import hash_file, hash_json
from hodology.optional import require

__all__ = ["IMAGE_SUFFIXES", "ImageFolder", "decode_image", "encode_png", "natural_key", "thumbnail_uri"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_HASHED = 64 * 2**20  # bytes; larger folders are identified by names, sizes and times


class ImageFolder(Dataset):
    """A folder of images: class sub-folders (labels by sorted names) or flat (no labels).

    Hidden files and other file types are passed over; order is natural (``img2`` before ``img10``).

    Raises
    ------
    InputError
        When the folder holds no image.
    """

    kind = "image"

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.name = self.folder.resolve().name
        files = [
            f
            for f in self.folder.rglob("*")
            if f.suffix.lower() in IMAGE_SUFFIXES
            and f.is_file()
            and not any(part.startswith(".") for part in f.relative_to(self.folder).parts)
        ]
        if not files:
            raise InputError(f"{self.folder} holds no image ({', '.join(IMAGE_SUFFIXES)}).")
        self.files = sorted(files, key=lambda f: natural_key(str(f.relative_to(self.folder))))
        inside = [f.relative_to(self.folder).parts for f in self.files]
        nested = [parts for parts in inside if len(parts) > 1]
        if nested and len(nested) < len(inside):
            loose = next(str(f) for f in self.files if len(f.relative_to(self.folder).parts) == 1)
            raise InputError(
                f"{self.folder} mixes class sub-folders and loose images ({loose}); use one of both."
            )
        self.class_names = tuple(sorted({parts[0] for parts in nested}, key=natural_key)) if nested else None

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of names and contents; above 64 MB of names, sizes and modification times."""
        stats = [f.stat() for f in self.files]
        small = sum(s.st_size for s in stats) <= _HASHED
        marks = [
            hash_file(f) if small else [s.st_size, s.st_mtime_ns]
            for f, s in zip(self.files, stats, strict=True)
        ]
        return hash_json([[str(f.relative_to(self.folder)) for f in self.files], marks])

    def items(self, start: int, stop: int) -> list[Item]:
        """Items start .. stop - 1, decoded to RGB."""
        return [self._item(file) for file in self.files[start:stop]]

    def labels(self) -> list[int | None]:
        """Label of every item, from the folders' names."""
        return [self._label(file) for file in self.files]

    def _label(self, file: Path) -> int | None:
        first = file.relative_to(self.folder).parts[0]
        return None if self.class_names is None else self.class_names.index(first)

    def _item(self, file: Path) -> Item:
        relative = file.relative_to(self.folder)
        try:
            data = file.read_bytes()
        except OSError as error:
            raise FileFormatError(f"{file} cannot be read: {error.strerror}.") from error
        return Item(relative.as_posix(), decode_image(data, source=str(file)), self._label(file))


def decode_image(data: bytes, *, source: str) -> Any:
    """Decode image bytes to an upright RGB PIL image.

    Raises
    ------
    FileFormatError
        When Pillow cannot read them, or the picture is absurdly large; `source` names it.
    """
    image = require("PIL.Image", extra="hf", purpose="reading images")
    operations = require("PIL.ImageOps", extra="hf", purpose="reading images")
    try:
        with image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > image.MAX_IMAGE_PIXELS:
                raise FileFormatError(
                    f"{source} has {opened.width} x {opened.height} pixels, too many to be a picture."
                )
            return _to_rgb(image, operations.exif_transpose(opened))
    except (OSError, ValueError, SyntaxError, EOFError, image.DecompressionBombError, struct.error) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{source} is not a readable image: {error}.") from error


def _to_rgb(image: Any, picture: Any) -> Any:
    """Pillow clips deep greys and shows the colours under transparency; here greys are scaled, white lies below."""
    if picture.mode in ("F", "I") or picture.mode.startswith("I;16"):
        values = np.asarray(picture, dtype=np.float64)
        highest = 65535.0 if picture.mode != "F" else 1.0
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > highest:
            raise ValueError(f"values of mode {picture.mode} must lie from 0 to {highest:g}")
        return image.fromarray((values / highest * 255).round().astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        return image.alpha_composite(image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")


def natural_key(text: str) -> list[tuple[int, Any]]:
    """Sort key that takes digits as numbers."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", text) if part]


def thumbnail_uri(content: Any, *, size: int = 64) -> str | None:
    """A small picture of an image or image-like array as a ``data:`` address; None for anything else."""
    if hasattr(content, "convert"):
        small = content.copy()
        small.thumbnail((size, size))
        pixels = np.asarray(small.convert("RGB"))
    elif isinstance(content, np.ndarray) and content.ndim in (2, 3):
        found = _to_pixels(content)
        if found is None:
            return None
        pixels = found
        scale = max(1, -(-max(pixels.shape[:2]) // size))
        pixels = pixels[::scale, ::scale]
    else:
        return None
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode()


def encode_png(pixels: np.ndarray) -> bytes:
    """Encode uint8 grey ``(height, width)`` or RGB ``(height, width, 3)`` as PNG; needs no Pillow."""
    grey = pixels.ndim == 2
    if pixels.dtype != np.uint8 or not (grey or pixels.ndim == 3 and pixels.shape[2] == 3):
        raise InputError(f"pixels must be uint8 (h, w) or (h, w, 3), got {pixels.dtype} {pixels.shape}.")
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    raw = np.concatenate([np.zeros((height, 1), dtype=np.uint8), rows], axis=1).tobytes()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0 if grey else 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw, 9))
        + chunk(b"IEND", b"")
    )


def _to_pixels(array: np.ndarray) -> np.ndarray | None:
    """Grey or RGB bytes of (h, w), (c, h, w) or (h, w, c); floats are stretched to their range."""
    if array.ndim == 3 and array.shape[0] in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3:
        array = array[:, :, 0] if array.shape[2] == 1 else array
        if array.ndim == 3 and array.shape[2] != 3:
            return None
    if array.dtype == np.uint8:
        return array
    low, high = float(array.min()), float(array.max())
    return ((array - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
