"""Questions about two entities of a knowledge graph, put to a language model with the paths between them.

The system text gives the role, what may be used (graph text, definitions, own knowledge) and the form of the last
line, ``##Answer: <...>``, which `hodology.planning.answers` reads. The user text holds question, descriptions,
graph text and options.

Reference: Abdullahi et al., "K-Paths: reasoning over graph paths for drug repurposing and drug interaction
prediction", KDD 2025 (the structure of the prompt; the words are ours).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.planning.kg_tasks import TASKS, KgTask, check_labels

__all__ = [
    "FittedText",
    "KnowledgeCutWarning",
    "build_prompt",
    "fit_lines",
]

OnLong = Literal["warn", "cut", "error"]


class KnowledgeCutWarning(UserWarning):
    """Lines of the graph text did not fit into the budget."""


@dataclass(frozen=True)
class FittedText:
    """Lines that fit into a budget.

    Attributes
    ----------
    text : str
    kept, dropped : int
        Numbers of lines.
    """

    text: str
    kept: int
    dropped: int


def build_prompt(
    task: KgTask | str,
    u_name: str,
    v_name: str,
    *,
    knowledge: str = "",
    descriptions: Mapping[str, str] | None = None,
    options: Sequence[str] | None = None,
    max_size: int | None = None,
    measure: Callable[[str], int] = len,
    on_long: OnLong = "warn",
) -> list[dict[str, str]]:
    """Messages that ask a chat model about two entities.

    Parameters
    ----------
    task : KgTask or str
        A task, or the name of one of `TASKS`.
    u_name, v_name : str
    knowledge : str
        Text of the paths, one a line, shortest (or best) first. Empty asks without the graph, and then the
        prompt does not speak of one.
    descriptions : mapping of str to str, optional
        Definitions by entity name, of one of the two entities or both.
    options : sequence of str, optional
        Answers to choose from. Default: the labels of the task; ``()`` asks openly.
    max_size : int, optional
        Budget of the graph text in what `measure` counts. Whole lines are dropped from the end.
    measure : callable
        From text to size, for example ``lambda text: len(tokenizer.encode(text))``; default characters.
    on_long : {"warn", "cut", "error"}
        What to do beside cutting when lines are dropped.

    Returns
    -------
    list of {"role": str, "content": str}
        A system and a user message.

    Raises
    ------
    UnknownNameError
        For a task or a described entity that does not exist.
    InputError
        For empty names, options that are empty or repeat, a budget below 1, or dropped lines with
        ``on_long="error"``.

    Examples
    --------
    >>> messages = build_prompt("severity", "Warfarin", "Aspirin", knowledge="Warfarin binds ALB")
    >>> print(messages[1]["content"].splitlines()[0])
    Question: How severe is the interaction between the drugs Warfarin and Aspirin?
    """
    task = _task(task)
    for name, value in (("u_name", u_name), ("v_name", v_name)):
        if not value.strip():
            raise InputError(f"{name} must be the name of an entity, got {value!r}.")
    if on_long not in get_args(OnLong):
        raise UnknownNameError(f"on_long {on_long!r} does not exist{near_names(on_long, get_args(OnLong))}.")
    choices = (task.labels or ()) if options is None else options
    if choices:
        check_labels(choices)
    described = _descriptions(descriptions or {}, u_name, v_name)
    text = knowledge.strip()
    if max_size is not None:
        text = _cut(text, max_size, measure, on_long)
    user = [f"Question: {task.ask(u_name, v_name)}"]
    if described:
        user.append("Definitions:\n" + "\n".join(described))
    if text:
        user.append(f"Knowledge Graph Information:\n{text}")
    if choices:
        user.append("Options:\n" + "\n".join(_options(task, choices)))
    system = _system(task, graph=bool(text), definitions=bool(described), options=bool(choices))
    return [{"role": "system", "content": system}, {"role": "user", "content": "\n\n".join(user)}]


def fit_lines(text: str, *, max_size: int, measure: Callable[[str], int] = len) -> FittedText:
    """Keep as many whole lines from the start as fit into `max_size`; empty lines are not kept.

    Parameters
    ----------
    text : str
    max_size : int
        In what `measure` counts for the kept text as a whole.
    measure : callable
        From text to a size that does not shrink when a line is added.

    Raises
    ------
    InputError
        For a budget below 1.

    Examples
    --------
    >>> fit_lines("a binds b\\na binds c", max_size=12)
    FittedText(text='a binds b', kept=1, dropped=1)
    """
    if max_size < 1:
        raise InputError(f"max_size must be at least 1, got {max_size}.")
    lines = [line for line in text.splitlines() if line.strip()]
    low, high = 0, len(lines)
    while low < high:  # the largest number of lines that fits
        middle = (low + high + 1) // 2
        if measure("\n".join(lines[:middle])) <= max_size:
            low = middle
        else:
            high = middle - 1
    return FittedText("\n".join(lines[:low]), low, len(lines) - low)


def _system(task: KgTask, *, graph: bool, definitions: bool, options: bool) -> str:
    """Names only what the prompt holds: a model told of an absent graph makes one up."""
    sources = ["the knowledge graph information"] * graph + ["the definitions"] * definitions
    sources.append("what you know yourself")
    listed = ", ".join(sources[:-1]) + " and " * (len(sources) > 1) + sources[-1]
    answer = "one of the options, word for word" if options else "your answer"
    sentences = [f"You are {task.role}.", f"Answer the question from {listed}."]
    if graph:
        sentences.append(
            "Each line of the knowledge graph information is a path of facts that leads from one entity to "
            "another; weigh what the paths say together, and disregard those that do not bear on the question."
        )
    sentences += [
        "Reason briefly.",
        f"End with a line of this form, and write nothing after it:\n##Answer: <{answer}>",
    ]
    return " ".join(sentences)


def _options(task: KgTask, choices: Sequence[str]) -> list[str]:
    notes = dict(zip(task.labels or (), task.label_notes))
    return [f"- {choice}" + (f": {notes[choice]}" if choice in notes else "") for choice in choices]


def _descriptions(descriptions: Mapping[str, str], u_name: str, v_name: str) -> list[str]:
    names = dict.fromkeys((u_name, v_name))
    for name in descriptions:
        if name not in names:
            raise UnknownNameError(f"described entity {name!r} is not asked about{near_names(name, names)}.")
    return [f"- {name}: {' '.join(descriptions[name].split())}" for name in names if descriptions.get(name)]


def _cut(text: str, max_size: int, measure: Callable[[str], int], on_long: OnLong) -> str:
    fitted = fit_lines(text, max_size=max_size, measure=measure)
    if not fitted.dropped:
        return text
    message = (
        f"{fitted.dropped} of {fitted.kept + fitted.dropped} lines of the graph text do not fit into max_size "
        f"(--max-size) {max_size}"
    )
    if on_long == "error":
        raise InputError(f"{message}.")
    if on_long == "warn":
        warnings.warn(f"{message} and were dropped.", KnowledgeCutWarning, 3)
    return fitted.text


def _task(task: KgTask | str) -> KgTask:
    if isinstance(task, KgTask):
        return task
    if task not in TASKS:
        raise UnknownNameError(f"task {task!r} does not exist{near_names(task, TASKS)}.")
    return TASKS[task]
