"""A chat model behind an OpenAI-compatible endpoint (``/v1/chat/completions``), with the standard library only.

What may pass is tried again with growing waits; what cannot is one clear error. The key is read from the
environment for each call, sent to the given host alone (redirects are not followed), and never shown.
"""

from __future__ import annotations

import email.utils
import http.client
import ipaddress
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any, Literal

from hodology.errors import HodologyError, InputError, UnavailableError
from hodology.files import hash_json
from hodology.planning.chat_messages import Message, check_completion
from hodology.rng import stream

__all__ = ["EndpointModel"]

_PASSING = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
_MAX_BYTES = 2**24
_TRANSPORT = (urllib.error.URLError, http.client.HTTPException, OSError)


class EndpointModel:
    """A model of an endpoint; it holds no state between calls and may be used by many threads.

    Parameters
    ----------
    url : str
        Base of the endpoint, with or without ``/v1`` and ``/chat/completions``.
    model : str
        Its name there.
    api_key_env : str or None
        Environment variable that holds the key; None sends no key. On this machine's own addresses a
        variable that is not set counts as None.
    timeout_s : float
        Longest silence of the endpoint within a call.
    retries : int
        How often a call is made again after a time-out, a lost connection, or a status that may pass (408, 409, 425,
        429, 500, 502, 503, 504, 529).
    max_wait_s : float
        Longest wait before a retry. Waits double from half a second, with jitter; ``Retry-After`` goes first, and when
        it asks for more than this the call fails at once.
    token_field : {"max_tokens", "max_completion_tokens"}
        What the endpoint calls the budget of the answer.
    allow_http : bool
        Speak plain HTTP to other machines, which shows the key and the texts to the network.

    Raises
    ------
    InputError
        For another scheme, plain HTTP to another machine, a URL with a user or query in it, or numbers out of range.

    Examples
    --------
    >>> EndpointModel("http://localhost:8000", "llama-3.1-8b")
    EndpointModel('http://localhost:8000/v1/chat/completions', 'llama-3.1-8b')
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key_env: str | None = "OPENAI_API_KEY",
        timeout_s: float = 120.0,
        retries: int = 5,
        max_wait_s: float = 60.0,
        token_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        allow_http: bool = False,
    ) -> None:
        self.url, self._local = _checked_url(url, allow_http=allow_http)
        if not model:
            raise InputError("model must be the name of a model, got ''.")
        if not timeout_s > 0 or not max_wait_s >= 0 or retries < 0:
            raise InputError(
                f"timeout_s must be above 0, retries and max_wait_s at least 0, got {timeout_s}, {retries} and "
                f"{max_wait_s}."
            )
        self.model = model
        self.api_key_env = api_key_env
        self.timeout_s = timeout_s
        self.retries = retries
        self.max_wait_s = max_wait_s
        self.token_field = token_field
        handlers: list[Any] = [_NoRedirect()]
        if self._local:
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def __repr__(self) -> str:
        return f"EndpointModel({self.url!r}, {self.model!r})"

    @property
    def name(self) -> str:
        """What kept answers are known by."""
        return f"{self.model} at {self.url}"

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 512,
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> str:
        """The model's answer to `messages`.

        Parameters
        ----------
        messages : sequence of {"role": str, "content": str}
        max_tokens : int
        temperature : float
            0 asks for the most likely answer; endpoints do not promise equal answers even so.
        seed : int, optional
            Sent when given.

        Raises
        ------
        UnavailableError
            When the endpoint cannot be reached, refuses, keeps failing, or answers with no text.
        InputError
            For bad messages or numbers, or when the variable of the key is not set.
        """
        check_completion(messages, max_tokens=max_tokens, temperature=temperature)
        asked = [{"role": m["role"], "content": m["content"]} for m in messages]
        body: dict[str, Any] = {"model": self.model, "messages": asked, "temperature": temperature}
        body[self.token_field] = max_tokens
        if seed is not None:
            body["seed"] = seed
        return self._content(self._post(body))

    def _post(self, body: dict[str, Any]) -> bytes:
        key = self._key()
        jitter = stream(0, "retry", hash_json(body))
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "hodology"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        data = json.dumps(body).encode()
        for attempt in range(self.retries + 1):
            wait = min(self.max_wait_s, 0.5 * 2**attempt) * float(jitter.uniform(0.5, 1.0))
            try:
                request = urllib.request.Request(self.url, data=data, headers=headers, method="POST")
                with self._opener.open(request, timeout=self.timeout_s) as answer:
                    return self._read(answer)
            except urllib.error.HTTPError as error:
                with error:
                    failure = self._refusal(error, key)
                    asked = _retry_after(error.headers.get("Retry-After"))
                if error.code not in _PASSING:
                    raise UnavailableError(f"{failure}.") from None
                if asked is not None and asked > self.max_wait_s:
                    raise UnavailableError(
                        f"{failure}; it asks to wait {asked:.0f} s, above max_wait_s {self.max_wait_s:g}."
                    ) from None
                wait = wait if asked is None else asked
            except HodologyError:
                raise
            except _TRANSPORT as error:
                failure = f"{self.url} cannot be reached: {_reason(error, self.timeout_s)}"
            if attempt < self.retries:
                time.sleep(wait)
        times = "once" if self.retries == 0 else f"{self.retries + 1} times"
        raise UnavailableError(f"{failure} (tried {times}).")

    def _read(self, answer: Any) -> bytes:
        data = answer.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise UnavailableError(f"{self.url} answered with more than {_MAX_BYTES} bytes.")
        return data

    def _key(self) -> str | None:
        if self.api_key_env is None:
            return None
        key = os.environ.get(self.api_key_env, "").strip()
        if not key and not self._local:
            raise InputError(
                f"environment variable {self.api_key_env} is not set: it must hold the key of {self.url}; "
                "--key-env names another variable, in Python api_key_env does, and None sends no key."
            )
        if not key.isascii() or not key.isprintable():
            raise InputError(f"environment variable {self.api_key_env} holds characters that no key has.")
        return key or None

    def _refusal(self, error: urllib.error.HTTPError, key: str | None) -> str:
        """Status and the endpoint's own words, without the key should it repeat it."""
        told = _told(error)
        if key:
            told = told.replace(key, "***")
        hint = ""
        if error.code in (401, 403):
            hint = f" (the key is read from {self.api_key_env})" if key else " (no key was sent)"
        elif 300 <= error.code < 400:
            hint = " (redirects are not followed: give the final address)"
        return f"{self.url} answered {error.code} {error.reason}{hint}" + (f": {told}" if told else "")

    def _content(self, data: bytes) -> str:
        try:
            choice = json.loads(data)["choices"][0]
            content = choice["message"].get("content")
        except (ValueError, RecursionError) as error:
            raise UnavailableError(f"{self.url} answered with no JSON: {data[:80]!r}.") from error
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise UnavailableError(
                f"{self.url} answered without choices[0].message: {data[:80]!r}."
            ) from error
        if isinstance(content, list):  # parts
            content = "".join(str(p.get("text", "")) for p in content if isinstance(p, dict))
        if not isinstance(content, str) or not content.strip():
            raise UnavailableError(
                f"{self.url} answered with no text (finish_reason {choice.get('finish_reason')!r})."
            )
        return content


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _checked_url(url: str, *, allow_http: bool) -> tuple[str, bool]:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"url must begin with https:// (or http://) and name a host, got {url!r}.")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InputError(
            "url must hold no user, password, query or fragment."
        )  # it may be a secret: not shown
    local = _is_local(parts.hostname)
    if parts.scheme == "http" and not (local or allow_http):
        raise InputError(
            f"plain http to {parts.hostname} would show the key and the texts to the network; use https (in "
            "Python, allow_http=True speaks it all the same)."
        )
    path = parts.path.rstrip("/")
    if not path.endswith("/chat/completions"):
        path += "/chat/completions" if path.rpartition("/")[2].startswith("v") else "/v1/chat/completions"
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, path, "", "")), local


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _retry_after(value: str | None) -> float | None:
    """Seconds of a ``Retry-After`` header, which holds a number or a date; None when it holds neither."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


def _told(error: urllib.error.HTTPError) -> str:
    try:
        data = error.read(4096)
    except _TRANSPORT:
        return ""
    try:
        found = json.loads(data)["error"]
        text = str(found["message"] if isinstance(found, dict) else found)
    except (ValueError, KeyError, TypeError):
        text = data.decode(errors="replace")
    return " ".join(text.split())[:200].rstrip(".")


def _reason(error: Exception, timeout_s: float) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    return str(cause) or type(cause).__name__
