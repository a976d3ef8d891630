"""The residual stream of a pre-norm transformer as a sum: x_L = x_0 + sum_l (A_l + F_l).

With block l reading x_{l-1}, A_l = attention(norm x_{l-1}) and F_l = ffn(norm(x_{l-1} + A_l)), the stream's end is
the sum of P = 2L + 1 components: the embedding x_0 and two branches per block, each with its LayerScale and
DropPath factor. The stream is found by what happens in a few small passes (`hodology.nn.residual_survey`), and in
every pass the components' sum, read by the norm and the head, must give the model's own scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.nn.forward import Inputs, call_model, check_inputs, last_positions, usable_model
from hodology.nn.frozen_norm import NormForm, norm_form
from hodology.nn.readout import Readout, find_readout
from hodology.nn.residual_survey import Survey, survey_stream
from hodology.nn.sites import Site, find_sites, parse_site
from hodology.nn.taps import evaluation_mode, hook_site

__all__ = ["ResidualStream", "StreamComponent", "StreamReading", "Tokens", "stream_shape"]

Tokens = Literal["read", "all"]
_CELLS = 2**25  # scores that are held in one call of the head


@dataclass(frozen=True)
class StreamComponent:
    """One term of the sum.

    Attributes
    ----------
    name : str
        ``"embedding"``, ``"attention 1"``, ``"ffn 1"``, ...
    kind : {"embedding", "attention", "ffn"}
        A branch that mixes tokens is attention.
    depth : int
        Its number among the components of its kind, which is the block's number; 0 for the embedding.
    """

    name: str
    kind: str
    depth: int


@dataclass(frozen=True, eq=False)
class StreamReading:
    """The components of one batch.

    Attributes
    ----------
    values : Tensor, shape (P, batch, width), (P, batch, 2, width) or (P, batch, tokens, width)
        As the head reads them (two tokens in a distilled DeiT), or of all tokens.
    logits : Tensor, shape (batch, classes)
        The model's own.
    """

    values: Tensor
    logits: Tensor

    def __repr__(self) -> str:
        return f"StreamReading(values={tuple(self.values.shape)}, logits={tuple(self.logits.shape)})"


class ResidualStream:
    """The residual stream of a model: its components, and the norm and head that read it.

    Parameters
    ----------
    model : nn.Module
        A pre-norm transformer of timm, transformers or torchvision, or one's own; never changed. In half precision
        it is copied to float32 once, with a warning.
    example : Tensor or mapping of Tensors
        Inputs that the model takes; two rows are used to find the stream.

    Attributes
    ----------
    model : nn.Module
    components : tuple of StreamComponent
    blocks : tuple of StreamBlock
        Modules that tile the stream, empty when there are none.
    readout : Readout
    width : int

    Raises
    ------
    InputError
        For a post-norm model, parallel branches, a stream that changes its width, attention pooling, and a model
        that hooks cannot follow.

    Notes
    -----
    A component is the difference of two points of the stream and carries their rounding: about 1e-7 of the stream's
    largest entries in float32.

    Examples
    --------
    >>> import torch
    >>> from hodology.nn.models import VisionTransformer
    >>> x = torch.rand(4, 1, 8, 8)
    >>> model = VisionTransformer(image_size=8, patch_size=2, depth=2, width=16, heads=2, hidden=32).eval()
    >>> stream = ResidualStream(model, x)
    >>> [component.name for component in stream.components]
    ['embedding', 'attention 1', 'ffn 1', 'attention 2', 'ffn 2']
    >>> bool(torch.allclose(stream.head(stream.read(x).values.sum(dim=0)), model(x), atol=1e-5))
    True
    """

    def __init__(self, model: nn.Module, example: Inputs) -> None:
        self.model = usable_model(model)
        self.survey: Survey = survey_stream(self.model, check_inputs(self.model, example))
        self.readout: Readout = find_readout(self.model, self.survey)
        self.width = int(self.survey.end.shape[-1])
        self.blocks = self.survey.blocks
        self.components = _named(self.survey.kinds)

    def __len__(self) -> int:
        return len(self.components)

    def __repr__(self) -> str:
        return (
            f"ResidualStream({type(self.model).__name__}, {len(self)} components of width {self.width}, "
            f"reads {self.readout.reading})"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the components."""
        return tuple(component.name for component in self.components)

    def read(self, inputs: Inputs, *, tokens: Tokens = "read") -> StreamReading:
        """Run the model once in eval mode and return the components.

        Parameters
        ----------
        inputs : Tensor or mapping of Tensors
        tokens : {"read", "all"}
            ``"read"`` keeps what the head reads; ``"all"`` keeps every token, which takes tokens times the memory.

        Raises
        ------
        InputError
            When the head norms every token before it pools them and `tokens` is not ``"all"``; when the
            components do not give the model's scores.
        """
        self.check_tokens(tokens)
        inputs = check_inputs(self.model, inputs)
        values: list[Tensor] = []
        before: list[Tensor] = []
        seen: set[int] = set()

        def keep(point: int, stream: Tensor) -> Tensor:
            if point not in seen:
                seen.add(point)
                now = self.select(stream, inputs) if tokens == "read" else stream
                now = now.clone()  # a view would change where the model adds in place
                values.append(now - before[-1] if before else now)
                before[:] = [now]
            return stream

        with evaluation_mode(self.model), torch.no_grad():
            with self.visiting(keep):
                logits = call_model(self.model, inputs)
            self.check_points(len(seen))
            total = before[0] if tokens == "read" else self.select(before[0], inputs)
            self._check_scores(total, logits)
        return StreamReading(torch.stack(values), logits)

    @contextmanager
    def visiting(self, visit: Callable[[int, Tensor], Tensor], *, repeated: bool = False) -> Iterator[None]:
        """Call `visit` with the number and the value of each point of the stream during one pass in the block.

        With `repeated` the points are counted anew in every pass.

        Point i is the sum of the first i + 1 components, ``(batch, tokens, width)``. What `visit` returns is what
        the reader of the point gets - the norm of branch i + 1, or the final norm and head - while the stream
        itself goes on unchanged. A norm that is called twice on a point is visited twice.
        """
        done: dict[Site, int] = {}

        def visitor(site: Site, order: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
            def function(value: Tensor) -> Tensor:
                call = done.get(site, 0)
                done[site] = call + 1
                if call == len(order):
                    self.check_points(len(self) + 1)
                return visit(order[call], value)

            return function

        with ExitStack() as stack:
            if repeated:
                stack.callback(self.model.register_forward_pre_hook(lambda *_: done.clear()).remove)
            for site, order in self.survey.order.items():
                stack.enter_context(hook_site(self.model, site, visitor(site, order)))
            yield

    def select(self, tokens: Tensor, inputs: Inputs) -> Tensor:
        """What the head reads of tokens ``(..., batch, tokens, width)`` of these inputs."""
        return self.readout.select(tokens, last_positions(inputs, tokens.shape[-2]))

    def features(self, values: Tensor) -> Tensor:
        """What the head takes: the values ``(..., width)`` that are read, normed and pooled."""
        flat, lead = self._flat(values)
        pooled = self.readout.pool(self.readout.normed(self.model, flat))
        return pooled.reshape(*lead, *pooled.shape[1:])

    def head(self, values: Tensor) -> Tensor:
        """Class scores ``(..., classes)`` of sums of components as they are read, ``(..., width)``.

        Gradients flow; without them, many rows are taken in pieces.
        """
        flat, lead = self._flat(values)
        step = len(flat) if torch.is_grad_enabled() else max(1, _CELLS // max(self.survey.scores.shape[1], 1))
        parts = [self._scores(part) for part in flat.split(max(step, 1))]
        scores = parts[0] if len(parts) == 1 else torch.cat(parts)
        return scores.reshape(*lead, scores.shape[-1])

    def frozen_head(self, values: Tensor, total: Tensor) -> Tensor:
        """Scores ``(..., batch, classes)`` of components when the norm keeps the statistics of `total`.

        Without the constant part (`constant`): over all components they add up to the scores of `total`, which is
        ``(batch, width)``.
        """
        form = self.norm_form(total)
        terms = values if form is None else form.frozen(values, form.sigma(total))
        flat, lead = self._flat(terms)
        scores = self.readout.scores(self.model, self.readout.pool(flat))
        return scores.reshape(*lead, scores.shape[-1]) - self._of_nothing(total)

    def constant(self, total: Tensor) -> Tensor:
        """The part of the scores that no component brings: b + W beta, shape ``(classes,)``."""
        form = self.norm_form(total)
        empty = torch.zeros_like(total[:1])
        normed = empty if form is None else empty + form.beta
        return self.readout.scores(self.model, self.readout.pool(normed))[0]

    def norm_form(self, total: Tensor) -> NormForm | None:
        """The form of the norm that the head reads through, verified on `total`; None without a norm."""
        if self.readout.norm is None:
            return None
        norm = self.model.get_submodule(self.readout.norm)
        return norm_form(norm, total.reshape(-1, total.shape[-1]), name=self.readout.norm)

    def boundaries(self) -> tuple[int, ...]:
        """Components that end a depth: the embedding, then the feed-forward branch of every block."""
        return tuple(i for i, component in enumerate(self.components) if component.kind != "attention")

    def check_points(self, found: int) -> None:
        """Refuse a pass that saw another number of points than the stream has."""
        if found != len(self):
            raise InputError(
                f"the pass reached {found} points of the stream, {len(self)} were found before: the model takes another "
                "way for these inputs; make a ResidualStream of them."
            )

    def check_tokens(self, tokens: Tokens) -> None:
        """Refuse a `tokens` that is none, or that the readout cannot do with."""
        if tokens not in get_args(Tokens):
            raise UnknownNameError(
                f"tokens {tokens!r} is not accepted{near_names(tokens, get_args(Tokens))}."
            )
        if tokens == "read" and self.readout.all_tokens:
            raise InputError(
                f"{type(self.model).__name__} norms every token before it pools them, so components cannot be pooled "
                "first; pass tokens='all'."
            )

    def _flat(self, values: Tensor) -> tuple[Tensor, tuple[int, ...]]:
        """Rows in one axis, and the axes they had."""
        inner = 2 if self.readout.token_axis else 1
        if values.ndim < inner + 1 or values.shape[-1] != self.width:
            raise InputError(
                f"values must be (..., {'tokens, ' if inner == 2 else ''}{self.width}), got {tuple(values.shape)}."
            )
        return values.reshape(-1, *values.shape[-inner:]), tuple(values.shape[:-inner])

    def _scores(self, flat: Tensor) -> Tensor:
        return self.readout.scores(self.model, self.readout.pool(self.readout.normed(self.model, flat)))

    def _of_nothing(self, total: Tensor) -> Tensor:
        return self.readout.scores(self.model, self.readout.pool(torch.zeros_like(total[:1])))[0]

    def _check_scores(self, total: Tensor, logits: Tensor) -> None:
        found = self.head(total)
        error = float((found - logits).abs().max())
        if not error <= 1e-4 * float(logits.abs().max()) + 1e-5:
            raise InputError(
                f"the head gives other scores for the sum of the components than the model, by {error:.2g}: the model "
                "reads these inputs in another way than its example; make a ResidualStream of them."
            )


def stream_shape(model: nn.Module) -> tuple[int, int]:
    """Number of components and width of a model's stream, as its structure tells without a pass.

    Raises
    ------
    InputError
        When the blocks cannot be counted; a `ResidualStream` of an example finds them then.
    """
    try:
        blocks, forward = find_sites(model, "residual"), find_sites(model, "ffn")
    except InputError as error:
        raise InputError(
            f"the blocks of {type(model).__name__} cannot be counted by its structure; pass example= to find them in a "
            "pass."
        ) from error
    width = parse_site(model, forward[0].module).width or 0
    return 2 * len(blocks) + 1, width


def _named(kinds: tuple[str, ...]) -> tuple[StreamComponent, ...]:
    components = [StreamComponent("embedding", "embedding", 0)]
    for kind in kinds:
        depth = 1 + sum(component.kind == kind for component in components)
        components.append(StreamComponent(f"{kind} {depth}", kind, depth))
    return tuple(components)
