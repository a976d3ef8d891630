"""A transformer as an ensemble of paths: the sum of its components, all read by one norm and head.

Without any approximation, x_L = sum_p O_p over the embedding and the attention and feed-forward branch of each
block, and y = W norm(x_L) + b. `decompose` keeps the components as the head reads them, so that leaving one out, reading
one alone or reading a partial sum are calls of the head, not of the model. In all of these a component still feeds
the later ones: removing it from their inputs too is the knock-out of `hodology.interpret.path_influence`.

The norm is not linear. With the statistics of the full sum frozen it is, and then

    y = constant + sum_p W gamma (O_p - c mean(O_p)) / sigma        c = 1 for LayerNorm, 0 for RMSNorm

gives path logits that add up (direct logit attribution in language models).

Reference: Chang et al., "Revisiting vision transformer from the view of path ensemble", ICCV 2023.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.interpret.labelled_batches import Data, labelled_batches
from hodology.nn.clean_run import check_targets
from hodology.nn.forward import Inputs, last_positions
from hodology.nn.residual import ResidualStream, Tokens
from hodology.nn.taps import evaluation_mode

__all__ = ["PathDecomposition", "as_stream", "decompose", "decompose_data", "decomposed_batches", "labels_of"]


@dataclass(frozen=True, eq=False, repr=False)
class PathDecomposition:
    """The components of a batch.

    Attributes
    ----------
    components : Tensor, shape (P, batch, width), or (P, batch, tokens, width) for all tokens
        Component 0 is the embedding, then attention and feed-forward of each block in turn.
    logits : Tensor, shape (batch, classes)
        The model's own.
    stream : ResidualStream
    positions : Tensor of int64, shape (batch,)
        Last token of each row, where all tokens are kept.
    labels : Tensor of int64, shape (batch,), optional
    tokens : {"read", "all"}
        Whether components hold what the head reads, or every token.
    """

    components: Tensor
    logits: Tensor
    stream: ResidualStream
    positions: Tensor
    labels: Tensor | None = None
    tokens: Tokens = field(default="read")

    def __repr__(self) -> str:
        return (
            f"PathDecomposition(components={tuple(self.components.shape)}, logits={tuple(self.logits.shape)}, "
            f"tokens={self.tokens!r}{'' if self.labels is None else ', labelled'})"
        )

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def names(self) -> tuple[str, ...]:
        """``"embedding"``, ``"attention 1"``, ``"ffn 1"``, ..."""
        return self.stream.names

    @property
    def kinds(self) -> tuple[str, ...]:
        """``"embedding"``, ``"attention"`` or ``"ffn"``."""
        return tuple(component.kind for component in self.stream.components)

    @property
    def depths(self) -> tuple[int, ...]:
        """Number of the block; 0 for the embedding."""
        return tuple(component.depth for component in self.stream.components)

    @property
    def values(self) -> Tensor:
        """The components as the head reads them."""
        if self.tokens == "read":
            return self.components
        return self.stream.readout.select(self.components, self.positions)

    def path_logits(self, target: Tensor | Sequence[int] | int | None = None) -> Tensor:
        """Logits of each component with the final norm frozen at the statistics of the full sum.

        Parameters
        ----------
        target : int64, shape (batch,), or int, optional
            Keep these classes only.

        Returns
        -------
        Tensor, shape (P, batch, classes) or (P, batch)
            Over all P they add up to ``logits - constant``.

        Raises
        ------
        InputError
            When the final norm is neither LayerNorm nor RMSNorm, or the head is not linear.
        """
        chosen = None if target is None else check_targets(torch.as_tensor(target), self.logits)
        values = self.values
        total = values.sum(dim=0)
        parts = []
        with evaluation_mode(self.stream.model), torch.no_grad():
            constant = self.stream.constant(total)
            check = constant.expand_as(self.logits).clone()
            for term in values:  # one at a time: a vocabulary of scores for all of them is large
                scores = self.stream.frozen_head(term, total)
                check += scores
                parts.append(scores if chosen is None else scores.gather(1, chosen[:, None])[:, 0])
        error = float((check - self.logits).abs().max())
        if not error <= 1e-3 * float(self.logits.abs().max()) + 1e-5:
            raise InputError(
                f"path logits miss the model's logits by {error:.2g}: the head {list(self.stream.readout.head)} is not "
                "linear, so they do not exist; use leave_one_out."
            )
        return torch.stack(parts)

    @property
    def constant(self) -> Tensor:
        """The part of the logits that no component brings, b + W beta: shape ``(classes,)``."""
        with evaluation_mode(self.stream.model), torch.no_grad():
            return self.stream.constant(self.values.sum(dim=0))

    def leave_one_out(self) -> Tensor:
        """Logits ``(P, batch, classes)`` without one component in the sum; later ones still receive it."""
        values = self.values
        return self._head(values.sum(dim=0) - values)

    def alone(self) -> Tensor:
        """Logits ``(P, batch, classes)`` of each component read alone by the trained norm and head."""
        return self._head(self.values)

    def partial_sums(self) -> Tensor:
        """S_l, the embedding and all branches up to block l, for l = 0 .. L: ``(L + 1, batch, width)``."""
        return self.values.cumsum(dim=0)[list(self.stream.boundaries())]

    def partial_logits(self) -> Tensor:
        """Logits ``(L + 1, batch, classes)`` of the partial sums, read by the trained norm and head."""
        return self._head(self.partial_sums())

    def weighted(self, weights: Tensor) -> Tensor:
        """Logits ``(batch, classes)`` of sum_p w_p O_p for weights ``(P,)`` (a mask, say) or ``(P, width)``."""
        values = self.values
        if weights.shape not in ((len(values),), (len(values), values.shape[-1])):
            raise InputError(
                f"weights must have shape ({len(values)},) or ({len(values)}, {values.shape[-1]}), got "
                f"{tuple(weights.shape)}."
            )
        wide = weights.to(values).reshape(len(values), -1).expand(-1, values.shape[-1])
        return self._head(torch.einsum("p...d,pd->...d", values, wide))

    def select(self, rows: Tensor) -> PathDecomposition:
        """The decomposition of rows `rows` (int64 or bool)."""
        return replace(
            self,
            components=self.components[:, rows],
            logits=self.logits[rows],
            positions=self.positions[rows],
            labels=None if self.labels is None else self.labels[rows],
        )

    def _head(self, values: Tensor) -> Tensor:
        with evaluation_mode(self.stream.model), torch.no_grad():
            return self.stream.head(values)


def decompose(
    model: nn.Module | ResidualStream,
    inputs: Inputs,
    *,
    labels: Tensor | Sequence[int] | None = None,
    tokens: Tokens = "read",
) -> PathDecomposition:
    """Split the residual stream of one batch into its components, in one pass in eval mode.

    Parameters
    ----------
    model : nn.Module or ResidualStream
        Any pre-norm transformer; a `ResidualStream` of it saves looking for the stream again.
    inputs : Tensor or mapping of Tensors
    labels : int64, shape (batch,), optional
        Kept for pruning and fitting.
    tokens : {"read", "all"}
        ``"read"`` keeps the class token, the last token or the pooled mean, whatever the head reads; ``"all"``
        keeps every token (for `frequency_profile`).

    Raises
    ------
    InputError
        For models whose stream is not such a sum (see `ResidualStream`).

    Examples
    --------
    >>> import torch
    >>> from hodology.nn.models import VisionTransformer
    >>> model = VisionTransformer(image_size=8, patch_size=2, depth=2, width=16, heads=2, hidden=32).eval()
    >>> paths = decompose(model, torch.rand(3, 1, 8, 8))
    >>> paths.components.shape
    torch.Size([5, 3, 16])
    >>> bool(torch.allclose(paths.path_logits().sum(dim=0) + paths.constant, paths.logits, atol=1e-5))
    True
    """
    stream = as_stream(model, inputs)
    reading = stream.read(inputs, tokens=tokens)
    known = None if labels is None else _checked_labels(labels, reading.logits)
    positions = last_positions(inputs, reading.values.shape[-2] if tokens == "all" else 1)
    return PathDecomposition(reading.values, reading.logits, stream, positions, known, tokens)


def decompose_data(
    model: nn.Module | ResidualStream, data: Data, *, batch_size: int = 128, tokens: Tokens | None = None
) -> PathDecomposition:
    """Decompose a labelled data set batch by batch; what is kept is P vectors per row.

    Parameters
    ----------
    model : nn.Module or ResidualStream
    data : pair or loader
        Inputs and labels, or an iterable of batches of them; a batch may also be a mapping with ``"labels"``.
    batch_size : int
        Rows in one pass, for a pair.
    tokens : {"read", "all"}, optional
        None keeps every token only where the head norms each before it pools them.
    """
    parts = [paths for paths, _ in decomposed_batches(model, data, batch_size=batch_size, tokens=tokens)]
    known = [part.labels for part in parts if part.labels is not None]
    lengths = {tuple(part.components.shape[2:]) for part in parts}
    if len(lengths) > 1:
        raise InputError(f"tokens='all' needs batches of one number of tokens, got {sorted(lengths)}.")
    return replace(
        parts[0],
        components=torch.cat([part.components for part in parts], dim=1),
        logits=torch.cat([part.logits for part in parts]),
        positions=torch.cat([part.positions for part in parts]),
        labels=torch.cat(known),
    )


def decomposed_batches(
    source: PathDecomposition | nn.Module | ResidualStream,
    data: Data | None,
    *,
    batch_size: int,
    tokens: Tokens | None = None,
) -> Iterator[tuple[PathDecomposition, Inputs | None]]:
    """Labelled batches, decomposed, with their inputs; a decomposition that is given is cut, without inputs.

    With `tokens` None, every token is kept only where the head cannot do without.
    """
    if isinstance(source, PathDecomposition):
        if data is not None:
            raise InputError("data must be None for a decomposition, which holds its own.")
        for rows in torch.arange(len(source), device=source.logits.device).split(batch_size):
            yield source.select(rows), None
        return
    if data is None:
        raise InputError("a model needs data, got None.")
    stream = None
    for inputs, labels in labelled_batches(data, size=batch_size):
        stream = as_stream(source, inputs) if stream is None else stream
        least: Tokens = "all" if stream.readout.all_tokens else "read"
        yield decompose(stream, inputs, labels=labels, tokens=tokens or least), inputs
    if stream is None:
        raise InputError("data must hold at least one batch, got none.")


def as_stream(model: nn.Module | ResidualStream, inputs: Inputs) -> ResidualStream:
    """The stream itself, or the one found in a model."""
    return model if isinstance(model, ResidualStream) else ResidualStream(model, inputs)


def labels_of(paths: PathDecomposition) -> Tensor:
    """The labels of a decomposition, or `InputError` without them."""
    if paths.labels is None:
        raise InputError("the decomposition has no labels; pass labels= to decompose.")
    return paths.labels


def _checked_labels(labels: Tensor | Sequence[int], logits: Tensor) -> Tensor:
    labels = torch.as_tensor(labels)
    if labels.ndim != 1:
        raise InputError(f"labels must be one class id per row, got shape {tuple(labels.shape)}.")
    return check_targets(labels, logits)
