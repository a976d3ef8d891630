"""Take sentences that state the answer out of the text of paths.

A direct or composite edge between the two queried entities can say what is asked. The graph is masked first; this
is the second guard, on the text itself: every span "u <words of the template> v", or the reverse, is deleted.

Reference: Abdullahi et al., "K-Paths: reasoning over graph paths for drug repurposing and drug interaction
prediction", KDD 2025.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hodology.errors import InputError

__all__ = ["remove_answer_text", "states_answer"]

_KIND = r"(?:\s*\([^()\n]*\))?"  # "(Compound)" behind a name
_SLOTS = re.compile(r"(\{[uv]\})")
_LAST_AND = re.compile(r"(?:^|\s)and$", re.IGNORECASE)
_FIRST_AND = re.compile(r"^and(?:\s|$)", re.IGNORECASE)


def remove_answer_text(text: str, u_name: str, v_name: str, templates: str | Sequence[str]) -> str:
    """Delete every statement of `templates` about the two entities, in either order.

    Parameters
    ----------
    text : str
        One path a line; the edges of a path are joined by " and ".
    u_name, v_name : str
        Names of the queried entities, as the text has them.
    templates : str or sequence of str
        Sentences of the answer, such as ``"{u} (Compound) treats {v} (Disease)"``: of the gold label, and of
        its passive form when the graph has inverse edges. A composite sentence counts as its parts.

    Returns
    -------
    str
        The very same text when nothing states the answer. Otherwise without these spans, the " and " that
        joined them, and empty lines.

    Notes
    -----
    Case does not count, any white space is as good as any other, and "(Type)" may follow a name whether or not
    the template has it. What comes directly before the first name or after the last is not looked at except
    for word borders: with "cancer" asked for, "u treats cancer pain" loses its beginning too. Leaving an answer in
    is the worse error.

    Raises
    ------
    InputError
        For an empty name, no templates, or a template without ``{u}`` and ``{v}``.

    Examples
    --------
    >>> path = "Donepezil (Compound) treats Dementia (Disease) and Dementia (Disease) associates APP (Gene)"
    >>> remove_answer_text(path, "donepezil", "dementia", "{u} (Compound) treats {v} (Disease)")
    'Dementia (Disease) associates APP (Gene)'
    """
    pattern = _pattern(u_name, v_name, templates)
    left = text
    while (found := pattern.search(left)) is not None:  # again: what is left may close up to an answer
        left = _joined(left[: found.start()], left[found.end() :])
    if left == text:
        return text
    return "\n".join(line for line in left.splitlines() if re.search(r"\w", line))


def states_answer(text: str, u_name: str, v_name: str, templates: str | Sequence[str]) -> bool:
    """Whether `remove_answer_text` would delete anything; same arguments."""
    return _pattern(u_name, v_name, templates).search(text) is not None


def _pattern(u_name: str, v_name: str, templates: str | Sequence[str]) -> re.Pattern[str]:
    for name, value in (("u_name", u_name), ("v_name", v_name)):
        if not value.strip():
            raise InputError(f"{name} must be the name of an entity, got {value!r}.")
    parts = [part for t in ([templates] if isinstance(templates, str) else templates) for part in _parts(t)]
    if not parts:
        raise InputError("templates must hold at least one sentence, got none.")
    orders = ((u_name, v_name), (v_name, u_name))
    spans = {_span(part, {"{u}": a, "{v}": b}) for part in parts for a, b in orders}
    # Longest first: of two templates of which one begins as the other does, the whole span goes.
    return re.compile("|".join(sorted(spans, key=lambda s: (-len(s), s))), re.IGNORECASE)


def _parts(template: str) -> list[str]:
    """The sentences of a composite template; one stays as it is, with " and " in its words or not."""
    counts = template.count("{u}"), template.count("{v}")
    parts = re.split(r"\s+and\s+", template) if max(counts) > 1 else [template]
    for part in parts:
        if (part.count("{u}"), part.count("{v}")) != (1, 1):
            raise InputError(f"a template must hold {{u}} and {{v}} once in each sentence, got {template!r}.")
    return parts


def _span(template: str, names: dict[str, str]) -> str:
    pieces = [piece for piece in _SLOTS.split(template.strip()) if piece]
    found = ""
    for index, piece in enumerate(pieces):
        if piece in names:
            found += _words(names[piece]) + _KIND
            continue
        if index and pieces[index - 1] in names:
            piece = re.sub(r"^\s*\([^()]*\)", "", piece)  # the optional type stands for it
        end = index == len(pieces) - 1
        words = _words(piece)
        if words:
            found += (r"\s*" if index else "") + words + ("" if end else r"\s*")
        elif not end and index:
            found += r"\s*"
    return rf"(?<!\w){found}(?!\w)"


def _words(text: str) -> str:
    return r"\s+".join(re.escape(word) for word in text.split())


def _joined(before: str, after: str) -> str:
    """Close the gap of a deleted span: one " and " between what is left of its line, none at an end."""
    head, break_before, line = before.rpartition("\n")
    rest, break_after, tail = after.partition("\n")
    line, rest = line.rstrip(), rest.lstrip()
    last, first = _LAST_AND.search(line), _FIRST_AND.search(rest)
    left = line[: last.start()].rstrip() if last else line
    right = rest[first.end() :].lstrip() if first else rest
    if left and right and right[0] not in ".,;:)":
        joint = last or first
        left += f" {joint.group().strip()} " if joint else " "
    return head + break_before + left + right + break_after + tail
