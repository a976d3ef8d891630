"""A chat model of the transformers package, on this machine."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from hodology.errors import FileFormatError, InputError, UnavailableError
from hodology.nn.taps import evaluation_mode
from hodology.optional import require
from hodology.planning.chat_messages import Message, check_completion
from hodology.rng import derive_seed

__all__ = ["TransformersModel"]


class TransformersModel:
    """A causal language model and its tokenizer.

    Messages go through the tokenizer's chat template; a template that knows no system role gets the system text
    in front of the first user text. Without a template the contents are joined by empty lines, which is what
    a base model can go on from. Calls from several threads wait for one another.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Its modes and the global random state are as before after every call.
    tokenizer : transformers.PreTrainedTokenizerBase
    name : str, optional
        What kept answers are known by; default the model's ``name_or_path`` and class.
    """

    def __init__(self, model: Any, tokenizer: Any, *, name: str | None = None) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.name = name or f"{getattr(model, 'name_or_path', '') or 'unnamed'} ({type(model).__name__})"
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"TransformersModel({self.name})"

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        *,
        local_files_only: bool = True,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> TransformersModel:
        """Load from a directory or by hub id. Code that comes with a model is never run.

        Parameters
        ----------
        path : str or Path
            A directory that ``save_pretrained`` wrote, or a hub id.
        local_files_only : bool
            Take what is on this machine (a directory or the hub's cache); False may download.
        device : str or torch.device
        dtype : torch.dtype, optional
            Default: that of the saved weights.

        Raises
        ------
        MissingExtraError
            Without `transformers`.
        UnavailableError
            When there is no such directory, and no such model in the cache or on the hub.
        FileFormatError
            When the directory is damaged.
        """
        transformers = require("transformers", extra="hf", purpose="a chat model")
        options = {"local_files_only": local_files_only, "trust_remote_code": False}
        major = int(transformers.__version__.split(".")[0])
        kind = {("dtype" if major >= 5 else "torch_dtype"): dtype or "auto"}
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(str(path), **options)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                str(path), use_safetensors=True, **options, **kind
            )
        except Exception as error:  # each part of the package has types of its own for damaged files
            first = (str(error).splitlines() or [type(error).__name__])[0]
            if Path(path).is_dir():
                raise FileFormatError(f"{path} cannot be loaded as a chat model: {first}") from error
            where = "on this machine" if local_files_only else "on this machine or the hub"
            raise UnavailableError(f"model {str(path)!r} is not {where}: {first}") from error
        return cls(model.to(device).eval(), tokenizer, name=f"{path} ({type(model).__name__})")

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 512,
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> str:
        """The model's answer to `messages`, without special tokens.

        Parameters
        ----------
        messages : sequence of {"role": str, "content": str}
        max_tokens : int
        temperature : float
            0 takes the most likely token each time; above, all tokens are drawn from (no top-k or top-p).
        seed : int, optional
            Of the draws; needed when the temperature is above 0.

        Raises
        ------
        InputError
            For bad messages or numbers, draws without a seed, or more tokens than the model has positions for.
        """
        check_completion(messages, max_tokens=max_tokens, temperature=temperature)
        if temperature > 0 and seed is None:
            raise InputError(f"temperature {temperature:g} draws tokens and needs a seed, got None.")
        with self._lock, evaluation_mode(self.model), torch.no_grad():
            ids = self._encode(messages).to(self.model.device)
            limit = getattr(self.model.config, "max_position_embeddings", None)
            if limit is not None and ids.shape[1] + max_tokens > limit:
                raise InputError(
                    f"the prompt has {ids.shape[1]} tokens and the answer may have {max_tokens}, the model has "
                    f"{limit} positions: shorten the graph text (max_size, --max-size) or lower max_tokens (--max-tokens)."
                )
            devices = [self.model.device] if self.model.device.type == "cuda" else []
            with torch.random.fork_rng(devices=devices):
                torch.manual_seed(derive_seed(seed or 0, "answer"))
                out = self.model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    generation_config=self._generation(max_tokens, temperature),
                )
        return str(self.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)).strip()

    def _generation(self, max_tokens: int, temperature: float) -> Any:
        """Everything said, so that no default of the model's own files mixes in."""
        transformers = require("transformers", extra="hf", purpose="a chat model")
        own = getattr(self.model, "generation_config", None)
        ends = getattr(own, "eos_token_id", None)
        ends = self.tokenizer.eos_token_id if ends is None else ends
        first_end = ends[0] if isinstance(ends, list) else ends
        pad = self.tokenizer.pad_token_id
        draws = temperature > 0
        return transformers.GenerationConfig(
            max_new_tokens=max_tokens,
            do_sample=draws,
            temperature=temperature if draws else 1.0,
            top_k=0 if draws else 50,  # 50 is the package's default, which it wants left alone without draws
            top_p=1.0,
            num_beams=1,
            repetition_penalty=1.0,
            eos_token_id=ends,
            pad_token_id=first_end if pad is None else pad,
        )

    def _encode(self, messages: Sequence[Message]) -> torch.Tensor:
        plain = [{"role": m["role"], "content": m["content"]} for m in messages]
        if not getattr(self.tokenizer, "chat_template", None):
            text = "\n\n".join(m["content"] for m in plain) + "\n\n"
            return self.tokenizer(text, return_tensors="pt")["input_ids"]
        from jinja2 import TemplateError

        try:
            return self._templated(plain)
        except TemplateError as error:
            merged = _without_system(plain)
            if merged == plain:
                raise InputError(
                    f"the chat template of {self.name} refuses the messages: {error}."
                ) from error
            return self._templated(merged)

    def _templated(self, messages: list[dict[str, str]]) -> torch.Tensor:
        found = self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        return found["input_ids"]


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """System texts put in front of the first user text."""
    told = [m["content"] for m in messages if m["role"] == "system"]
    rest = [m for m in messages if m["role"] != "system"]
    if not told or not rest or rest[0]["role"] != "user":
        return messages
    return [{"role": "user", "content": "\n\n".join([*told, rest[0]["content"]])}, *rest[1:]]
