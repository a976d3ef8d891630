"""A question about two entities to a language model, with the paths between them: the work behind ``hodology kg ask``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from hodology import __version__
from hodology.errors import InputError
from hodology.files import write_json, write_text
from hodology.planning.answer_guard import remove_answer_text
from hodology.planning.answers import answer_text, parse_answer
from hodology.planning.chat_model import ChatModel, ask
from hodology.planning.kg_run import KgRun
from hodology.planning.kg_tasks import TASKS
from hodology.planning.path_text import verbalise
from hodology.planning.prompts import build_prompt
from hodology.work import mark_folder

__all__ = ["Answer", "ask_about", "open_chat_model"]


@dataclass(frozen=True)
class Answer:
    """What a model said.

    Attributes
    ----------
    messages : list of {"role", "content"}
    text : str
    answer : str or None
        The label, or the text behind ``##Answer:`` of an open question; None when there is none.
    """

    messages: list[dict[str, str]]
    text: str
    answer: str | None


def open_chat_model(model: str, *, name: str | None = None, key_env: str = "OPENAI_API_KEY") -> ChatModel:
    """An endpoint when `model` is a URL (then `name` is the model's name there), else a transformers model on this machine.

    Raises
    ------
    InputError
        For a URL without a name.
    UnavailableError, FileFormatError
        When the model cannot be loaded.
    """
    if model.startswith(("http://", "https://")):
        from hodology.planning.chat_endpoint import EndpointModel

        if not name:
            raise InputError("an endpoint needs --model-name: what the model is called there.")
        return EndpointModel(model, name, api_key_env=key_env)
    from hodology.planning.chat_transformers import TransformersModel

    return TransformersModel.from_pretrained(model)


def ask_about(
    run: KgRun,
    model: ChatModel,
    folder: str | Path,
    *,
    task: str = "indication",
    max_size: int | None = None,
    max_tokens: int = 512,
    with_graph: bool = True,
) -> Answer:
    """Ask about the two entities of a run and keep prompt and answer in `folder`.

    Sentences that state one of the graph's task relations between the two are taken out of the text once more before it is
    sent, whatever the search hid.

    Parameters
    ----------
    run : KgRun
    model : ChatModel
    folder : path
        Must be empty or hold questions; gets ``prompt.json`` and ``answer.txt``. An answer that is there is not asked for
        again.
    task : str
        One of `hodology.planning.kg_tasks.TASKS`.
    max_size : int, optional
        Most characters of the paths' text.
    max_tokens : int
        Of the answer.
    with_graph : bool
        False asks without the paths, as the paper's control does.

    Raises
    ------
    UnknownNameError
        For another task.
    UnavailableError
        When the model does not answer.
    InputError
        When the folder is a file or holds something else.
    """
    kg, folder = run.kg, Path(folder)
    u, v = kg.titles[run.source], kg.titles[run.target]
    text = verbalise(run.paths, kg, pair=(run.source, run.target)) if with_graph else ""
    guarded = [kg.templates.template(part) for part in sorted(kg.answer_parts()) if part < 2 * kg.offset]
    if text and guarded:
        plain = [t.replace("{u_kind}", "").replace("{v_kind}", "") for t in guarded]
        text = remove_answer_text(text, u, v, plain)
    messages = build_prompt(task, u, v, knowledge=text, max_size=max_size)
    manifest = {"version": __version__, "settings": asdict(run.settings)}
    mark_folder(folder, "kg-ask", what="questions about a knowledge graph", manifest=manifest, resume=True)
    write_json(folder / "prompt.json", messages)
    said = ask(model, [messages], folder=folder / "answers", max_tokens=max_tokens)[0]
    write_text(folder / "answer.txt", said + "\n")
    labels = TASKS[task].labels
    return Answer(messages, said, parse_answer(said, labels) if labels else answer_text(said))
