"""Templates, styles and scripts of the pages, and the text formats that they share."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["asset", "number", "percent", "render", "script_value", "signed"]

MINUS = "\u2212"
_SURROGATES = re.compile("[\ud800-\udfff]")


def render(template: str, **values: Any) -> str:
    """Fill a template; what is not marked safe is escaped, and a missing value is an error."""
    return _writable(_environment().get_template(template).render(**values))


def asset(*names: str) -> str:
    """The named static files, one after the other."""
    return "\n".join(_static(name).rstrip("\n") for name in names) + "\n"


def content_hash(text: str) -> str:
    """What a content security policy needs to admit exactly this inline style or script."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") + "'"


def script_value(value: Any) -> str:
    """A JavaScript value that cannot end a script element, start a comment or hold a raw line separator.

    Not-a-number and infinities become null; keys keep their order, so that equal values give equal text.
    """
    text = _writable(json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def number(value: float | None, *, digits: int = 3) -> str:
    """``0.316``, ``12.9``, ``1,240`` or ``2.1e-05``, with a true minus sign; an en dash for what is not known."""
    if value is None or not math.isfinite(value):
        return "\u2013"
    size = float(f"{abs(value):.{digits - 1}e}") if value else 0.0  # rounded first: 9.996 is 10.0
    if value == 0:
        text = "0"
    elif size < 1e-3 or abs(value) >= 1e6:
        text = f"{size:.{digits - 2}e}"
    elif size >= 10 ** (digits - 1):
        text = f"{abs(value):,.0f}"
    else:
        text = f"{size:.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"
    return (MINUS if value < 0 else "") + text


def percent(value: float | None, *, digits: int = 1) -> str:
    """``97.9 %`` of a share."""
    if value is None or not math.isfinite(value):
        return "\u2013"
    return f"{_minus(f'{100 * value:.{digits}f}')} %"


def signed(value: float | None, *, digits: int = 1) -> str:
    """``+12.9 %`` or ``−12.9 %`` of a change given as a share."""
    text = percent(value, digits=digits)
    grown = value is not None and math.isfinite(value) and value > 0
    return "+" + text if grown and text.strip("0. %") else text


def _writable(text: str) -> str:
    """The text with a mark in place of what UTF-8 has no bytes for: parts of file names in other encodings."""
    return _SURROGATES.sub("\ufffd", text)


def _minus(text: str) -> str:
    if text.startswith("-"):
        text = text[1:]
        return text if not text.strip("0.") else MINUS + text
    return text


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "setting": _setting}
    environment.globals |= {"content_hash": content_hash}
    return environment


def _template(name: str) -> str:
    return resources.files("hodology.report").joinpath("templates", name).read_text(encoding="utf-8")


@lru_cache(maxsize=32)
def _static(name: str) -> str:
    return resources.files("hodology.report").joinpath("static", name).read_text(encoding="utf-8")


def _setting(value: Any) -> str:
    """A setting as a reader would write it."""
    if isinstance(value, (list, tuple)):
        return ", ".join(_setting(part) for part in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_setting(part)}" for key, part in value.items())
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    return value
