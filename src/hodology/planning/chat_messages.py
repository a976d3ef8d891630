"""What a chat model is asked with, checked the same way for every model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hodology.errors import InputError

__all__ = ["Message", "check_completion"]

Message = Mapping[str, str]
_ROLES = ("system", "user", "assistant")


def check_completion(messages: Sequence[Message], *, max_tokens: int, temperature: float) -> None:
    """Refuse what no chat model can complete.

    Parameters
    ----------
    messages : sequence of {"role": str, "content": str}
    max_tokens : int
    temperature : float

    Raises
    ------
    InputError
        For no messages, a message of another form, a budget below 1 or a temperature below 0.
    """
    if isinstance(messages, str) or not messages:
        raise InputError(f"messages must be a list with one message at least, got {messages!r}.")
    for index, message in enumerate(messages):
        fine = isinstance(message, Mapping) and isinstance(message.get("content"), str)
        if not fine or message.get("role") not in _ROLES:
            raise InputError(
                f"message {index} must have a role of {', '.join(_ROLES)} and a content of text, got {message!r}."
            )
    if max_tokens < 1:
        raise InputError(f"max_tokens must be at least 1, got {max_tokens}.")
    if not 0 <= temperature < float("inf"):
        raise InputError(f"temperature must be a number of at least 0, got {temperature}.")
