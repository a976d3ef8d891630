"""Texts: a plain file with one example a line, or JSON Lines with a label."""

from __future__ import annotations

import json
from array import array
from functools import cached_property
from pathlib import Path

from hodology.data.dataset import Dataset, Item
from hodology.errors import FileFormatError, InputError
from hodology.files import hash_file

__all__ = ["TextFile"]

_TEXT_KEYS = ("text", "sentence", "content", "prompt")
_LONGEST = 1_000_000  # characters of one example


class TextFile(Dataset):
    """Examples of a text file, read line by line when asked for.

    Parameters
    ----------
    file : path
        ``.jsonl`` / ``.ndjson``: an object a line with ``text`` (or sentence, content, prompt) and maybe
        ``label`` (an integer or a name). Anything else: UTF-8 text, one example a line, blank lines passed
        over.
    text_column, label_column : str, optional
        Other key names.

    Raises
    ------
    FileFormatError
        For a wrong line, with its number.
    InputError
        When there is no example.
    """

    kind = "text"

    def __init__(
        self, file: str | Path, *, text_column: str | None = None, label_column: str | None = None
    ) -> None:
        self.file = Path(file)
        self.name = self.file.name
        self.json = self.file.suffix.lower() in (".jsonl", ".ndjson")
        self.text_keys = (text_column,) if text_column else _TEXT_KEYS
        self.label_key = label_column or "label"
        self.starts, self.lines = array("q"), array("q")
        names: set[str] = set()
        position = 0
        with open(self.file, "rb") as handle:
            for number, line in enumerate(handle, 1):
                if line.strip():
                    self.starts.append(position)
                    self.lines.append(number)
                    if self.json:
                        label = self._record(line, number).get(self.label_key)
                        names |= {label} if isinstance(label, str) else set()
                position += len(line)
        if not self.starts:
            raise InputError(f"{self.file} holds no example.")
        self.class_names = tuple(sorted(names)) or None

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the file."""
        return hash_file(self.file)

    def items(self, start: int, stop: int) -> list[Item]:
        """Items start .. stop - 1."""
        found = []
        with open(self.file, "rb") as handle:
            for index in range(start, min(stop, len(self))):
                handle.seek(self.starts[index])
                found.append(self._item(handle.readline(), self.lines[index]))
        return found

    def _item(self, line: bytes, number: int) -> Item:
        name = f"{self.name}:{number}"
        if not self.json:
            return Item(name, _decoded(line, self.file, number), None)
        record = self._record(line, number)
        text = next((record[key] for key in self.text_keys if isinstance(record.get(key), str)), None)
        if text is None:
            raise FileFormatError(f"{self.file}, line {number}: needs a text under one of {self.text_keys}.")
        label = record.get(self.label_key)
        if isinstance(label, str):
            label = (self.class_names or ()).index(label)
        elif label is not None and (isinstance(label, bool) or not isinstance(label, int)):
            raise FileFormatError(
                f"{self.file}, line {number}: label must be an integer or a name, got {label!r}."
            )
        return Item(str(record.get("id", name)), text, label)

    def _record(self, line: bytes, number: int) -> dict[str, object]:
        try:
            record = json.loads(_decoded(line, self.file, number))
        except json.JSONDecodeError as error:
            raise FileFormatError(f"{self.file}, line {number}: not valid JSON ({error.msg}).") from error
        if not isinstance(record, dict):
            raise FileFormatError(
                f"{self.file}, line {number}: must be an object, got {type(record).__name__}."
            )
        return record


def _decoded(line: bytes, file: Path, number: int) -> str:
    if len(line) > _LONGEST:
        raise FileFormatError(f"{file}, line {number}: longer than {_LONGEST} bytes.")
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{file}, line {number}: not UTF-8 text.") from error
