"""The embedded language model: a small GPT that has learned the generated topic sentences.

What a perfect model of these sentences would lose is known exactly, so that "the model has learned its
language" is a figure (`TopicsGPT.excess`), and so are grammatical next words and each concept's words.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hodology.data.topics import TopicCorpus, load_topics_split
from hodology.errors import InputError
from hodology.nn.fit import FitResult, cached_model
from hodology.nn.load import LoadedModel
from hodology.nn.models.small_gpt import encode_texts, fit_texts, small_gpt, text_losses, word_tokenizer

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

__all__ = ["TopicsGPT", "topics_gpt", "topics_gpt_loaded"]

_FIT: dict[str, Any] = {"batch_size": 64, "learning_rate": 5e-3, "weight_decay": 0.1}


@dataclass(frozen=True, eq=False)
class TopicsGPT:
    """A GPT trained on a topic corpus.

    Attributes
    ----------
    model : GPT2LMHeadModel
        In eval mode.
    tokenizer : PreTrainedTokenizerFast
        One token a word (`word_tokenizer`).
    train, test : TopicCorpus
        The sentences it learned, and those it never saw.
    loss : float
        Mean loss on the test sentences, nats per token (words and the end of each sentence).
    best_loss : float
        What the grammar itself, the best possible model, loses on the same sentences.
    fit : FitResult
    """

    model: GPT2LMHeadModel = field(repr=False)
    tokenizer: PreTrainedTokenizerFast = field(repr=False)
    train: TopicCorpus
    test: TopicCorpus
    loss: float
    best_loss: float
    fit: FitResult = field(repr=False)

    @property
    def excess(self) -> float:
        """Nats per token that the model loses more than the best possible one; an estimate of the divergence."""
        return self.loss - self.best_loss

    @property
    def perplexity(self) -> float:
        """Perplexity on the test sentences; ``exp(best_loss)`` is the best possible."""
        return math.exp(self.loss)

    def concept_tokens(self, concept: int) -> Tensor:
        """Token ids of a concept's words, int64, shape ``(words,)``."""
        words = self.test.grammar.words
        if not 0 <= concept < len(words):
            raise InputError(f"concept must be 0 to {len(words) - 1}, got {concept}.")
        return torch.tensor(self.tokenizer.convert_tokens_to_ids(list(words[concept])))

    def grammatical_tokens(self, prompt: str, *, concept: int | None = None) -> Tensor:
        """Which token ids may follow `prompt`, bool, shape ``(ids,)`` (see `TopicGrammar.grammatical_next`)."""
        return self._over_ids(self.test.grammar.grammatical_next(prompt, concept=concept))

    def next_probabilities(self, prompt: str) -> Tensor:
        """What the best possible model predicts after `prompt`, float64, shape ``(ids,)``."""
        return self._over_ids(self.test.grammar.next_probabilities(prompt))

    def _over_ids(self, values: np.ndarray) -> Tensor:
        """From values over the words and the end to values over token ids; False or 0 elsewhere."""
        names = [*self.test.vocabulary, self.tokenizer.eos_token]
        spread = torch.zeros(len(self.tokenizer), dtype=torch.from_numpy(values).dtype)
        spread[torch.tensor(self.tokenizer.convert_tokens_to_ids(names))] = torch.from_numpy(values)
        return spread


def topics_gpt(
    split: tuple[TopicCorpus, TopicCorpus] | None = None,
    *,
    seed: int = 0,
    depth: int = 2,
    width: int = 48,
    heads: int = 4,
    hidden: int = 192,
    epochs: int = 5,
    on_epoch: Callable[[int, int, float], None] | None = None,
) -> TopicsGPT:
    """Return the GPT (2 blocks, width 48, 192 hidden units, 4 heads) for one seed; trained on first use.

    Parameters
    ----------
    split : (TopicCorpus, TopicCorpus), optional
        Sentences for training and for testing, of one grammar; default ``load_topics_split(seed=seed)``.
        ``load_topics_split(seed=seed, nested=True)`` has super-concepts,
        ``make_topics(13_000, n_concepts=24).split(n_test=1_000)`` more concepts.
    seed : int
        Seed of weights, order of training and the default sentences.
    depth, width, heads, hidden : int
        Shape (see `small_gpt`). The context is 32 tokens, or what the longest sentence needs.
    epochs : int
        AdamW, one-cycle to 5e-3, weight decay 0.1, batches of 64; 5 epochs of 12,000 sentences take about 15 s
        on one core.
    on_epoch : callable, optional
        Progress: epochs done, epochs in all, loss.

    Raises
    ------
    InputError
        When the two corpora have different vocabularies.
    MissingExtraError
        Without `transformers`.
    """
    train, test = load_topics_split(seed=seed) if split is None else split
    if train.vocabulary != test.vocabulary:
        raise InputError(
            f"split must hold two corpora of one grammar, got vocabularies of {len(train.vocabulary)} and "
            f"{len(test.vocabulary)} words."
        )
    tokenizer = word_tokenizer(train.vocabulary)
    context = max(32, 2 * train.grammar.pairs[1] + 2)
    shape = {"depth": depth, "width": width, "heads": heads, "hidden": hidden, "context": context}

    def fitted(model: Any, checkpoint: Path) -> FitResult:
        return fit_texts(
            model,
            tokenizer,
            train.sentences,
            epochs=epochs,
            rng=seed,
            checkpoint=checkpoint,
            on_epoch=on_epoch,
            **_FIT,
        )

    recipe = {"name": "topics-gpt", "shape": shape, "fit": _FIT, "seed": seed, "epochs": epochs}
    found: Any
    found, result = cached_model(
        lambda: small_gpt(len(tokenizer), **shape, rng=seed),
        fitted,
        key=recipe | {"data": train.fingerprint},
    )
    nats, tokens = text_losses(found, tokenizer, test.sentences)
    best = -float(test.grammar.log_probability(test.sentences).sum())
    count = int(tokens.sum())
    return TopicsGPT(found, tokenizer, train, test, float(nats.sum()) / count, best / count, result)


def topics_gpt_loaded(seed: int = 0, *, nested: bool = False) -> LoadedModel:
    """Return the embedded GPT as a loaded model of texts, named ``topics-gpt:SEED`` or ``topics-nested-gpt:SEED``.

    Its `prepare` puts ``<bos>`` before each text and refuses words that the model does not know.
    """
    trained = topics_gpt(load_topics_split(seed=seed, nested=nested), seed=seed)
    name = f"topics-{'nested-' if nested else ''}gpt:{seed}"
    tokenizer, context = trained.tokenizer, trained.model.config.n_positions

    def prepare(contents: list[Any]) -> dict[str, Tensor]:
        if not all(isinstance(content, str) for content in contents):
            raise InputError(f"model {name!r} takes texts, the data are images or arrays.")
        return encode_texts(tokenizer, contents, context=context)

    def encode(text: str) -> int | None:
        found = tokenizer(text, add_special_tokens=False)["input_ids"]
        return int(found[0]) if len(found) == 1 and found[0] != tokenizer.unk_token_id else None

    return LoadedModel(
        trained.model, "text", name, prepare, None, lambda index: tokenizer.decode([index]), encode
    )
