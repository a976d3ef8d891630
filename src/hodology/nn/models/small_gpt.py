"""A small GPT-2 of Hugging Face's own class, a tokenizer of whole words, and training on texts.

The model is a plain ``GPT2LMHeadModel``: what works on it (sites, taps, generation, ``save_pretrained``) works
on the hub's GPT-2 too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.nn.fit import FitResult, fit
from hodology.nn.taps import evaluation_mode
from hodology.optional import require
from hodology.rng import derive_seed

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

__all__ = [
    "SPECIAL_TOKENS",
    "encode_texts",
    "fit_texts",
    "next_token_rows",
    "small_gpt",
    "text_losses",
    "word_tokenizer",
]

SPECIAL_TOKENS = ("<pad>", "<unk>", "<bos>", "<eos>")  # ids 0 to 3, before the words
_IGNORED = -100  # target that cross-entropy passes over


def small_gpt(
    vocabulary_size: int,
    *,
    depth: int = 2,
    width: int = 48,
    heads: int = 4,
    hidden: int = 192,
    context: int = 32,
    dropout: float = 0.0,
    rng: int = 0,
) -> GPT2LMHeadModel:
    """Make an untrained GPT-2 (pre-norm blocks, learned positions, tied output; Radford et al. 2019).

    Parameters
    ----------
    vocabulary_size : int
        Number of token ids, the four of `SPECIAL_TOKENS` included (``len(tokenizer)`` of `word_tokenizer`).
    depth, width, heads, hidden : int
        Blocks, embedding size, attention heads, units of each feed-forward block.
    context : int
        Longest row of tokens.
    dropout : float
        Drop rate of embedding, attention and residual branches while training.
    rng : int
        Seed of the initial weights; global random state is left alone.

    Returns
    -------
    transformers.GPT2LMHeadModel
        In eval mode, its attention computed step by step (``"eager"``), which is the faster way at this size
        and lets ``output_attentions=True`` return the weights.

    Raises
    ------
    InputError
        When sizes do not divide or are too small.
    MissingExtraError
        Without `transformers`.
    """
    transformers = require("transformers", extra="hf", purpose="a small GPT")
    sizes = {"depth": depth, "width": width, "heads": heads, "hidden": hidden, "context": context}
    for name, value in {"vocabulary_size": vocabulary_size, **sizes}.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name} must be an integer of at least 1, got {value!r}.")
    if vocabulary_size <= len(SPECIAL_TOKENS):
        raise InputError(
            f"vocabulary_size must be above {len(SPECIAL_TOKENS)} (the special tokens count), got {vocabulary_size}."
        )
    if width % heads:
        raise InputError(f"heads must divide width, got {heads} and {width}.")
    if not 0.0 <= dropout < 1.0:
        raise InputError(f"dropout must lie from 0 to below 1, got {dropout}.")
    config = transformers.GPT2Config(
        vocab_size=vocabulary_size,
        n_positions=context,
        n_embd=width,
        n_layer=depth,
        n_head=heads,
        n_inner=hidden,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        initializer_range=0.02 if width > 128 else width**-0.5 / 2,
        pad_token_id=SPECIAL_TOKENS.index("<pad>"),
        bos_token_id=SPECIAL_TOKENS.index("<bos>"),
        eos_token_id=SPECIAL_TOKENS.index("<eos>"),
        attn_implementation="eager",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(rng, "init"))
        return transformers.GPT2LMHeadModel(config).eval()


def word_tokenizer(vocabulary: Sequence[str]) -> PreTrainedTokenizerFast:
    """Make a tokenizer whose tokens are whole words, separated by white space.

    A text begins with ``<bos>``; batches are padded on the right with ``<pad>``; a word that is not in the
    vocabulary becomes ``<unk>``. Decoding without the special tokens gives back a text of known words with
    single spaces, to the letter.

    Parameters
    ----------
    vocabulary : sequence of str
        The words, in the order of their ids, which begin at 4.

    Raises
    ------
    InputError
        For an empty vocabulary, a word twice, or a word with white space or a special token in it.
    MissingExtraError
        Without `transformers` (which brings `tokenizers`).
    """
    transformers = require("transformers", extra="hf", purpose="a word tokenizer")
    tokenizers = require("tokenizers", extra="hf", purpose="a word tokenizer")
    words = list(vocabulary)
    if isinstance(vocabulary, str) or not words:
        raise InputError(f"vocabulary must be a non-empty list of words, got {vocabulary!r}.")
    for word in words:
        if not isinstance(word, str) or word.split() != [word] or any(t in word for t in SPECIAL_TOKENS):
            raise InputError(
                f"words must be texts without white space and without {', '.join(SPECIAL_TOKENS)}, got {word!r}."
            )
    ids = {word: index for index, word in enumerate((*SPECIAL_TOKENS, *words))}
    if len(ids) != len(SPECIAL_TOKENS) + len(words):
        twice = next(word for index, word in enumerate(words) if word in words[:index])
        raise InputError(f"vocabulary has {twice!r} twice.")
    core = tokenizers.Tokenizer(tokenizers.models.WordLevel(ids, unk_token="<unk>"))
    core.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    core.post_processor = tokenizers.processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", ids["<bos>"])]
    )
    pad, unknown, begin, end = SPECIAL_TOKENS
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=pad,
        unk_token=unknown,
        bos_token=begin,
        eos_token=end,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )


def encode_texts(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], *, context: int | None = None
) -> dict[str, Tensor]:
    """Turn texts into a batch of token ids, or say which word the tokenizer does not know.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerFast
        One of `word_tokenizer`.
    texts : sequence of str
    context : int, optional
        Longest row that the model takes, ``<bos>`` included.

    Returns
    -------
    dict
        ``input_ids`` and ``attention_mask``, int64, shape ``(texts, tokens)``, padded on the right whatever
        the tokenizer's own side is.

    Raises
    ------
    InputError
        Without texts, for what is no text, and for one that is too long.
    UnknownNameError
        For a word outside the vocabulary.
    """
    if len(texts) == 0:
        raise InputError("texts must hold at least one text, got none.")
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"texts must be strings, got {type(text).__name__}.")
    coded = tokenizer(list(texts), padding=True, padding_side="right", return_tensors="pt")
    ids = coded["input_ids"]
    unknown = (ids == tokenizer.unk_token_id).nonzero().tolist()
    if unknown:
        row, place = unknown[0]
        begin, end = coded.encodings[row].offsets[place]
        word, known = texts[row][begin:end], sorted(set(tokenizer.get_vocab()) - set(SPECIAL_TOKENS))
        raise UnknownNameError(f"word {word!r} is not in the vocabulary{near_names(word, known)}.")
    if context is not None and ids.shape[1] > context:
        raise InputError(
            f"a text has {ids.shape[1] - 1} words, the model reads at most {context - 1} (its context is {context} "
            "with <bos>)."
        )
    return {"input_ids": ids, "attention_mask": coded["attention_mask"]}


def next_token_rows(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], *, context: int | None = None
) -> tuple[Tensor, Tensor]:
    """Turn whole texts into rows for predicting every next token, the end included.

    Parameters
    ----------
    tokenizer, texts, context
        As in `encode_texts`.

    Returns
    -------
    inputs : int64 Tensor, shape (texts, tokens)
        ``<bos>`` and the words, padded on the right.
    targets : int64 Tensor, shape (texts, tokens)
        The words and ``<eos>``; -100, which cross-entropy passes over, at the padding.

    Raises
    ------
    InputError, UnknownNameError
        As in `encode_texts`.
    """
    coded = encode_texts(tokenizer, texts, context=context)
    inputs, lengths = coded["input_ids"], coded["attention_mask"].sum(dim=1)
    targets = torch.full_like(inputs, _IGNORED)
    targets[:, :-1] = inputs[:, 1:]
    targets[torch.arange(len(inputs)), lengths - 1] = tokenizer.eos_token_id
    targets[torch.arange(inputs.shape[1]) >= lengths[:, None]] = _IGNORED
    return inputs, targets


def fit_texts(
    model: GPT2LMHeadModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    *,
    epochs: int = 5,
    batch_size: int = 64,
    learning_rate: float = 5e-3,
    weight_decay: float = 0.1,
    rng: int = 0,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int, int, float], None] | None = None,
) -> FitResult:
    """Train a causal language model on whole texts with the shared loop (see `hodology.nn.fit.fit`).

    Parameters
    ----------
    model : GPT2LMHeadModel
        Trained in place and left in eval mode.
    tokenizer : PreTrainedTokenizerFast
    texts : sequence of str
        One a row; each must fit the model's context with ``<bos>``.
    epochs, batch_size, learning_rate, weight_decay, rng, checkpoint, on_epoch
        As in `fit`.

    Returns
    -------
    FitResult
        Its losses are mean nats per predicted token, the end of each text included.

    Raises
    ------
    InputError, UnknownNameError
        As in `encode_texts`.
    """
    inputs, targets = next_token_rows(tokenizer, texts, context=model.config.n_positions)
    return fit(
        _Scores(model, tokenizer.pad_token_id),
        inputs,
        targets,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        loss=_mean_loss,
        rng=rng,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
    )


def text_losses(
    model: GPT2LMHeadModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    *,
    batch_size: int = 256,
) -> tuple[Tensor, Tensor]:
    """Measure how badly a model predicts whole texts.

    Returns
    -------
    nats : float64 Tensor, shape (texts,)
        Minus the log probability of each text, its end included.
    tokens : int64 Tensor, shape (texts,)
        How many tokens that were; ``exp(nats.sum() / tokens.sum())`` is the perplexity.

    Raises
    ------
    InputError, UnknownNameError
        As in `encode_texts`.
    """
    inputs, targets = next_token_rows(tokenizer, texts, context=model.config.n_positions)
    scorer = _Scores(model, tokenizer.pad_token_id)
    device = next(model.parameters()).device
    nats = []
    with evaluation_mode(model), torch.no_grad():
        for rows, wanted in zip(inputs.split(batch_size), targets.split(batch_size), strict=True):
            logs = scorer(rows.to(device)).double().log_softmax(dim=2)
            nats.append(nn.functional.nll_loss(logs.mT, wanted.to(device), reduction="none").sum(dim=1).cpu())
    return torch.cat(nats), (targets != _IGNORED).sum(dim=1)


class _Scores(nn.Module):
    """From rows of token ids to scores ``(rows, tokens, ids)``, as the shared loop calls a model."""

    def __init__(self, model: nn.Module, pad: int) -> None:
        super().__init__()
        self.model = model
        self.pad = pad

    def forward(self, rows: Tensor) -> Tensor:
        found: Any = self.model(input_ids=rows, attention_mask=rows != self.pad, use_cache=False)
        return found.logits


def _mean_loss(scores: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(scores.flatten(0, 1), targets.flatten(), ignore_index=_IGNORED)
