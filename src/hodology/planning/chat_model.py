"""Chat models, and many questions put to one so that a killed run goes on where it was.

`EndpointModel` speaks to an OpenAI-compatible endpoint, `TransformersModel` runs on this machine; anything with a
name and a `complete` method will do.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from hodology.errors import InputError
from hodology.files import canonical_json, hash_json
from hodology.planning.chat_endpoint import EndpointModel
from hodology.planning.chat_messages import Message, check_completion
from hodology.planning.chat_transformers import TransformersModel
from hodology.work.store import UnitStore

__all__ = ["ChatModel", "EndpointModel", "Message", "TransformersModel", "ask"]


@runtime_checkable
class ChatModel(Protocol):
    """What `ask` needs of a model."""

    @property
    def name(self) -> str:
        """What kept answers are known by: another model must have another name."""

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 512,
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> str:
        """The answer to messages of ``{"role", "content"}``."""


def ask(
    model: ChatModel,
    prompts: Sequence[Sequence[Message]],
    *,
    folder: str | Path | None = None,
    max_tokens: int = 512,
    temperature: float = 0.0,
    seed: int | None = None,
    threads: int = 1,
    on_answer: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Put many prompts to a model, each distinct one once.

    Parameters
    ----------
    model : ChatModel
    prompts : sequence of messages
        Such as `hodology.planning.prompts.build_prompt` makes. Equal prompts get one answer.
    folder : path, optional
        Keeps each answer, with its prompt, as soon as it is there. A later call with the same model name, prompt and
        settings takes it from there and asks only what is missing.
    max_tokens, temperature, seed
        Of `ChatModel.complete`.
    threads : int
        Calls at a time; more than 1 is for endpoints.
    on_answer : callable, optional
        Called in this thread with the distinct prompts answered and their number.

    Returns
    -------
    list of str
        In the order of `prompts`.

    Raises
    ------
    InputError
        For a bad prompt (before anything is asked), fewer threads than 1, or a folder in use by another run.
    UnavailableError
        From the model. No new call is begun after it; answers that were on their way are kept.
    """
    if threads < 1:
        raise InputError(f"threads must be at least 1, got {threads}.")
    settings = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
    units: dict[str, dict[str, Any]] = {}
    keys = []
    for index, prompt in enumerate(prompts):
        try:
            check_completion(prompt, max_tokens=max_tokens, temperature=temperature)
        except InputError as error:
            error.add_note(f"in prompt {index}")
            raise
        unit = {"model": model.name, "messages": [dict(message) for message in prompt], **settings}
        keys.append(hash_json(unit)[:32])
        units[keys[-1]] = unit
    with _store(folder) as store:
        answers = {} if store is None else _kept(store, units)
        _tell(on_answer, len(answers), len(units))
        missing = [key for key in units if key not in answers]

        def call(key: str) -> str:
            unit = units[key]
            answer = model.complete(
                unit["messages"], max_tokens=max_tokens, temperature=temperature, seed=seed
            )
            if store is not None:
                store.save(key, canonical_json(unit | {"answer": answer}).encode())
            return answer

        try:
            for key, answer in _answered(call, missing, threads):
                answers[key] = answer
                _tell(on_answer, len(answers), len(units))
        except Exception as error:
            kept = f"kept in {folder}" if folder is not None else "lost: pass folder to keep them"
            if answers:
                error.add_note(f"{len(answers)} of {len(units)} answers were there and are {kept}")
            raise
    return [answers[key] for key in keys]


@contextlib.contextmanager
def _store(folder: str | Path | None) -> Iterator[UnitStore | None]:
    if folder is None:
        yield None
        return
    store = UnitStore(folder)
    with store.lock():
        yield store


def _kept(store: UnitStore, units: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Answers on disk; the whole unit must be the same, so that no cut hash can mix two up."""
    found = {}
    for key, unit in units.items():
        if store.has(key):
            record = json.loads(store.load(key))
            if {name: value for name, value in record.items() if name != "answer"} == json.loads(
                canonical_json(unit)
            ):
                found[key] = str(record["answer"])
    return found


def _answered(call: Callable[[str], str], keys: Sequence[str], threads: int) -> Iterator[tuple[str, str]]:
    """Answers as they come, `threads` calls at a time; after a failure none is begun."""
    if threads == 1:
        yield from ((key, call(key)) for key in keys)
        return
    waiting = iter(keys)
    with ThreadPoolExecutor(threads) as pool:
        running: dict[Future[str], str] = {}
        failure: BaseException | None = None
        while True:
            while failure is None and len(running) < threads and (key := next(waiting, None)) is not None:
                running[pool.submit(call, key)] = key
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                key = running.pop(future)
                error = future.exception()
                if error is None:
                    yield key, future.result()
                elif failure is None:
                    failure = error
    if failure is not None:
        raise failure


def _tell(on_answer: Callable[[int, int], None] | None, done: int, total: int) -> None:
    if on_answer is not None:
        on_answer(done, total)
