"""Steer a model with a feature: add its direction at every position, and see what the model then says.

With z a direction over the units of a feed-forward block, ``h <- h + alpha z / ||z||`` at all positions of every forward
pass, those with a key-value cache included (``at="hidden"``). With ``at="output"`` the direction is first written out,
``f = norm_post(W_out z / ||z||)``, and ``alpha f`` is added to what the block adds to the residual stream: the same
thing in a model without a norm behind the block, and the way the paper takes in Gemma, which has one.

How strong is comparable between directions when the next word changes equally much: `steering_strength` finds the
alpha at which KL(base || steered) of the next-token distribution has a given value.

Reference: Shafran, Geiger and Geva, "Decomposing MLP activations into interpretable features via semi-nonnegative
matrix factorization", 2025.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.feature_output import output_site, unit_directions, write_out
from hodology.interpret.semi_nmf_input import check_count
from hodology.interpret.steering_search import Curve, match_curves
from hodology.interpret.text_inputs import check_followable, context_length, encode_prompt, text_reader
from hodology.nn.forward import Inputs, batch_size, call_model, select_rows, to_device
from hodology.nn.sites import Site, resolve_sites
from hodology.nn.taps import Edit, evaluation_mode, hook_site
from hodology.rng import derive_seed

__all__ = [
    "PAPER_TARGETS",
    "SteeringStrength",
    "Where",
    "divergence",
    "generate_steered",
    "harmonic_score",
    "steer",
    "steering_strength",
]

Where = Literal["hidden", "output"]
PAPER_TARGETS = (0.025, 0.05, 0.1, 0.15, 0.25, 0.35, 0.5)  # nats


@contextmanager
def steer(
    model: nn.Module,
    z: np.ndarray | Tensor,
    alpha: float | Sequence[float] | np.ndarray | Tensor,
    layer: str | int | Site,
    *,
    at: Where = "hidden",
) -> Iterator[None]:
    """Add ``alpha z / ||z||`` at every position, in every forward pass of the block.

    Parameters
    ----------
    model : nn.Module
        Restored when the block ends, also after an exception. For several layers or directions at once enter
        several blocks: what they add is added up.
    z : ndarray or Tensor, shape (units,) or (rows, units)
        One direction for all rows of a batch, or one per row. A batch with a multiple of the rows (as sampling
        several continuations makes) has each direction that many times in a row.
    alpha : float, or shape (rows,)
        Negative to steer away.
    layer : str, int or Site
        As in `collect_activations`.
    at : {"hidden", "output"}
        Add to the layer itself, or what it writes to what the block adds to the residual stream (see the module's text).

    Raises
    ------
    InputError
        For a direction that is zero, not finite or of another width; during a pass, when the rows of batch and
        directions do not fit.
    UnknownNameError
        When the layer does not exist.

    Examples
    --------
    >>> import torch
    >>> from hodology.nn.models import VisionTransformer
    >>> model = VisionTransformer(image_size=8, patch_size=2, depth=2, width=16, heads=2, hidden=32).eval()
    >>> x = torch.rand(3, 1, 8, 8)
    >>> with steer(model, torch.eye(32)[5], 4.0, -1):
    ...     steered = model(x)
    >>> bool(torch.equal(steered, model(x)))
    False
    """
    site, vectors = _prepared(model, z, layer, at)
    if not bool(vectors.any(dim=1).all()):
        raise InputError(f"z must not be zero, got zeros in row {int((~vectors.any(dim=1)).nonzero()[0])}.")
    strength = torch.as_tensor(alpha, dtype=torch.float32, device=vectors.device)
    if strength.ndim > 1 or (strength.ndim == 1 and len(vectors) not in (1, len(strength))):
        raise InputError(
            f"alpha must be one number or one per direction ({len(vectors)}), got shape {tuple(strength.shape)}."
        )
    if not bool(torch.isfinite(strength).all()):
        raise InputError(f"alpha must be finite, got {alpha}.")
    with hook_site(model, site, _adder(vectors * strength.reshape(-1, 1), site)):
        yield


@dataclass(frozen=True, eq=False, repr=False)
class SteeringStrength:
    """How strongly to steer, for every direction and target.

    Attributes
    ----------
    alpha : float64 ndarray, shape (directions, targets)
        What `steer` takes, negative for ``sign=-1``; without the axis of directions or targets where one vector or
        one target was given. Where the target was not reached, the strength that came nearest.
    kl : float64 ndarray, as alpha
        KL(base || steered) there, nats, mean over the prompts.
    reached : bool ndarray, as alpha
        Whether `kl` is within the tolerance.
    target : float64 ndarray
        What was asked for.
    layer : str
    at : str
    """

    alpha: np.ndarray
    kl: np.ndarray
    reached: np.ndarray
    target: np.ndarray = field(repr=False)
    layer: str = ""
    at: Where = "hidden"

    def __repr__(self) -> str:
        return (
            f"SteeringStrength(layer={self.layer!r}, at={self.at!r}, alpha={self.alpha.shape}, "
            f"{int(self.reached.sum())} of {self.reached.size} reached)"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        values = {name: getattr(self, name).tolist() for name in ("alpha", "kl", "reached", "target")}
        return values | {"layer": self.layer, "at": self.at}


def steering_strength(
    model: nn.Module,
    tokenizer: Any,
    z: np.ndarray | Tensor,
    layer: str | int | Site,
    target_kl: float | Sequence[float] | np.ndarray = PAPER_TARGETS,
    *,
    prompt: str | Sequence[str] | Inputs = "I think that",
    sign: Literal[1, -1] = 1,
    at: Where = "hidden",
    low: float = 1.0,
    high: float = 2000.0,
    steps: int = 20,
    tolerance: float = 0.01,
    max_batch: int = 64,
) -> SteeringStrength:
    """Find the alpha at which steering changes the next-token distribution by a given divergence.

    Parameters
    ----------
    model : nn.Module
    tokenizer : transformers tokenizer, LoadedModel, callable or None
        As in `collect_activations`; None when `prompt` holds inputs.
    z : ndarray or Tensor, shape (units,) or (directions, units)
        Any number of directions; all are searched together. For one of zeros no target is reached.
    layer : str, int or Site
    target_kl : float or sequence of float
        Divergences to reach, nats (default: the paper's seven).
    prompt : str, sequence of str, Tensor or mapping of Tensors
        The divergence is taken behind the last token of the prompt, and averaged over several ones. Inputs hold one
        prompt a row.
    sign : {1, -1}
        Add the direction or take it off.
    at : {"hidden", "output"}
        As in `steer`.
    low, high : float
        Strengths between which the curve is looked at first (paper: 1 to 2000). Where the least target lies below what
        `low` gives, smaller strengths are tried by decades, down to 1e-8 of it; where the greatest is not reached,
        larger ones up to 1000 times `high`.
    steps : int
        Most steps within the interval of the first grid that holds a target (paper: 20); rarely more than 5 are needed.
    tolerance : float
        Nats that the divergence may be off (paper: 0.01), and for a target below 1 nat that share of it, so that small
        targets are met as closely as large ones.
    max_batch : int
        Rows in one pass.

    Returns
    -------
    SteeringStrength
        Never without an alpha: see its ``reached``. Where a curve passes a target several times, the weakest is
        taken.

    Raises
    ------
    InputError
        For a target that is not positive, an empty prompt or one of unknown words, wrong bounds.
    """
    targets = np.asarray(target_kl, dtype=np.float64)
    _check_search(targets, sign, low, high, steps, tolerance, max_batch)
    site, vectors = _prepared(model, z, layer, at)
    prompts = _prompts(model, tokenizer, prompt)
    with evaluation_mode(model), torch.no_grad():
        base = [call_model(model, inputs).double().log_softmax(dim=1) for inputs in prompts]
        found = match_curves(
            _curve(model, site, vectors * sign, prompts, base, max_batch),
            len(vectors),
            targets.reshape(-1),
            low=low,
            high=high,
            steps=steps,
            tolerance=tolerance,
        )
    shape = (*np.shape(z)[:-1], *targets.shape)
    return SteeringStrength(
        alpha=sign * found.strength.reshape(shape),
        kl=found.value.reshape(shape),
        reached=found.reached.reshape(shape),
        target=targets,
        layer=resolve_sites(model, [layer])[0].name,
        at=at,
    )


def divergence(base_logs: Tensor, logs: Tensor) -> Tensor:
    """KL(base || other) = sum p_base (log p_base - log p_other), of log probabilities over the last axis, nats."""
    return (base_logs.exp() * (base_logs - logs)).sum(dim=-1)


def generate_steered(
    model: nn.Module,
    tokenizer: Any,
    z: np.ndarray | Tensor,
    alpha: float,
    layer: str | int | Site,
    *,
    prompt: str = "I think that",
    n: int = 8,
    max_new_tokens: int = 50,
    top_k: int = 30,
    top_p: float = 0.3,
    temperature: float = 1.0,
    at: Where = "hidden",
    use_cache: bool = True,
    rng: int = 0,
) -> list[str]:
    """Sample what a steered model goes on to say.

    Parameters
    ----------
    model : nn.Module
        A language model of transformers, which brings ``generate``.
    tokenizer : transformers tokenizer
    z : ndarray or Tensor, shape (units,)
    alpha : float
        0 samples from the model as it is.
    layer : str, int or Site
    prompt : str
    n : int
        Continuations (paper: 8).
    max_new_tokens : int
        Length of each at most (paper: 50); fewer when the model ends the text.
    top_k : int
        Only the likeliest tokens (paper: 30; 0 for all).
    top_p : float
        Only the likeliest tokens that together have this probability (paper: 0.3).
    temperature : float
    at : {"hidden", "output"}
    use_cache : bool
        Keep keys and values between the passes; changes the time, not the text.
    rng : int
        Seed; global random state is left alone.

    Returns
    -------
    list of str
        Without the prompt and without special tokens.

    Raises
    ------
    InputError
        When the model cannot generate, or prompt and continuation exceed its context.
    """
    check_followable(model)
    if not hasattr(model, "generate") or not hasattr(tokenizer, "all_special_ids"):
        raise InputError(
            "generate_steered needs a language model of transformers and its tokenizer, got "
            f"{type(model).__name__} and {type(tokenizer).__name__}."
        )
    check_count(n, "n")
    check_count(max_new_tokens, "max_new_tokens")
    device = next(model.parameters()).device
    coded = encode_prompt(text_reader(model, tokenizer), prompt)
    inputs = {name: value.to(device) for name, value in coded.items()}
    length, context = inputs["input_ids"].shape[1], context_length(model)
    if context is not None and length + max_new_tokens > context:
        raise InputError(
            f"max_new_tokens must be at most {context - length} (the context of {context} less the prompt's {length}), "
            f"got {max_new_tokens}."
        )
    filler = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    on_gpu = device.type == "cuda"
    with (
        torch.random.fork_rng(devices=[device] if on_gpu else []),
        evaluation_mode(model),
        steer(model, z, alpha, layer, at=at),
    ):
        seed = derive_seed(rng, "generate")
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        rows = model.generate(  # type: ignore[operator]
            **inputs,
            do_sample=True,
            num_return_sequences=n,
            max_new_tokens=max_new_tokens,
            top_k=top_k,
            top_p=top_p,
            temperature=temperature,
            use_cache=use_cache,
            pad_token_id=filler,
        )
    return [str(tokenizer.decode(row[length:], skip_special_tokens=True)) for row in rows]


def harmonic_score(concept: float | np.ndarray, fluency: float | np.ndarray) -> float | np.ndarray:
    """Harmonic mean of how much of a concept a text shows and how fluent it is; 0 where either is 0.

    Parameters
    ----------
    concept, fluency : float or ndarray
        Not negative, on one scale (the paper's judge gives 0, 1 or 2).

    Raises
    ------
    InputError
        For scores that are negative or not finite.

    Examples
    --------
    >>> harmonic_score(2.0, 1.0), harmonic_score(2.0, 0.0)
    (1.3333333333333333, 0.0)
    """
    a, b = np.asarray(concept, dtype=np.float64), np.asarray(fluency, dtype=np.float64)
    for name, value in (("concept", a), ("fluency", b)):
        if not (np.isfinite(value) & (value >= 0.0)).all():
            raise InputError(f"{name} must be finite and at least 0, got {value}.")
    total = a + b
    found = np.where(total > 0.0, 2.0 * a * (b / np.where(total > 0.0, total, 1.0)), 0.0)
    return float(found) if found.ndim == 0 else found


def _prepared(
    model: nn.Module, z: np.ndarray | Tensor, layer: str | int | Site, at: Where
) -> tuple[Site, Tensor]:
    """Where to add, and what: unit directions or what they write, ``(rows, width)``."""
    check_followable(model)
    if at not in get_args(Where):
        raise UnknownNameError(
            f"at must be 'hidden' or 'output', got {at!r}{near_names(str(at), get_args(Where))}."
        )
    site = resolve_sites(model, [layer])[0]
    unit = unit_directions(z, site.width).to(next(model.parameters()).device)
    return (site, unit) if at == "hidden" else (output_site(model, site), write_out(model, site, unit))


def _adder(shift: Tensor, site: Site) -> Edit:
    def add(value: Tensor) -> Tensor:
        if value.shape[-1] != shift.shape[1] or len(value) % len(shift):
            raise InputError(
                f"steering of shape {tuple(shift.shape)} does not fit layer {site.name!r}, which carries "
                f"{tuple(value.shape)}: one direction, or one per row."
            )
        own = shift.to(value.device, value.dtype).repeat_interleave(len(value) // len(shift), dim=0)
        return value + own.reshape(len(value), *[1] * (value.ndim - 2), -1)

    return add


def _curve(
    model: nn.Module, site: Site, vectors: Tensor, prompts: list[Inputs], base: list[Tensor], size: int
) -> Curve:
    """The divergence of directions by strength, any number of rows at a time."""

    def curve(rows: np.ndarray, strengths: np.ndarray) -> np.ndarray:
        total = np.zeros(len(rows))
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            index = torch.from_numpy(rows[part]).to(vectors.device)
            scale = torch.from_numpy(strengths[part]).to(vectors)
            again = torch.zeros(len(index), dtype=torch.int64, device=vectors.device)
            with hook_site(model, site, _adder(vectors[index] * scale[:, None], site)):
                for inputs, logs in zip(prompts, base, strict=True):
                    steered = call_model(model, select_rows(inputs, again)).double().log_softmax(dim=1)
                    total[part] += divergence(logs, steered).cpu().numpy()
        return total / len(prompts)

    return curve


def _prompts(model: nn.Module, tokenizer: Any, prompt: str | Sequence[str] | Inputs) -> list[Inputs]:
    """Every prompt as a batch of one row, without padding, where the model lies."""
    device = next(model.parameters()).device
    if isinstance(prompt, (Tensor, Mapping)):
        rows = torch.arange(batch_size(prompt)).split(1)
        return [to_device(select_rows(to_device(prompt, "cpu"), row), device) for row in rows]
    texts = [prompt] if isinstance(prompt, str) else list(prompt)
    if not texts:
        raise InputError("prompt must be a text or several, got none.")
    reader = text_reader(model, tokenizer)
    return [to_device(encode_prompt(reader, text), device) for text in texts]


def _check_search(
    targets: np.ndarray, sign: int, low: float, high: float, steps: int, tolerance: float, max_batch: int
) -> None:
    if targets.ndim > 1 or targets.size == 0 or not (np.isfinite(targets) & (targets > 0.0)).all():
        raise InputError(f"target_kl must be one or more positive numbers, got {targets.tolist()}.")
    if sign not in (1, -1):
        raise InputError(f"sign must be 1 or -1, got {sign!r}.")
    if not 0.0 < low < high < np.inf:
        raise InputError(f"low and high must be positive with low < high, got {low} and {high}.")
    if not tolerance > 0.0:
        raise InputError(f"tolerance must be positive, got {tolerance}.")
    check_count(steps, "steps")
    check_count(max_batch, "max_batch")
