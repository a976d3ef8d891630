"""Sparse autoencoders, the usual way to features of activations, trained here with the care that the comparison asks for.

With inputs divided by their mean norm s, u = x / s,

    f = act(E (u - b) + c),   u' = D f + b,

where act keeps the k largest positive values (``kind="topk"``) or all positive ones (``"l1"``, which adds
``l1 * sum_i f_i`` to the loss ``||u - u'||^2``). Columns of D have unit norm at all times; b starts at the mean of the
data, E at D^T and c at zero. At four times in the first half of the training, latents that have not fired for a whole
epoch start again from samples that are badly explained, drawn by their squared error; then all settle.

References: Bricken et al., "Towards monosemanticity: decomposing language models with dictionary learning", 2023;
Gao et al., "Scaling and evaluating sparse autoencoders", 2024.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from hodology.errors import InputError
from hodology.interpret.semi_nmf_estimator import Estimator
from hodology.interpret.semi_nmf_input import (
    check_choice,
    check_count,
    check_width,
    mean_square,
    row_blocks,
    to_host,
    to_matrix,
)
from hodology.nn.fit import fit
from hodology.nn.load import check_device
from hodology.rng import check_seed, torch_stream

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SparseAutoencoder"]

Kind = Literal["topk", "l1"]
_K, _L1 = 8, 0.1  # when left open
_TIMES, _UNTIL = 4, 0.5  # how often silent latents start again, within this share of the training
_FAINT = 0.2  # encoder norm of an l1 latent that starts again, in units of the others' mean: it fires rarely at first


class SparseAutoencoder(Estimator):
    """A sparse autoencoder of activations; a scikit-learn transformer with the attributes of `SemiNMF`.

    Parameters
    ----------
    n_latents : int
    kind : {"topk", "l1"}
        At most k latents active per sample, or a penalty on the sum of all.
    k : int, optional
        Active latents per sample, of ``"topk"`` (default 8).
    l1 : float, optional
        Weight of the penalty, of ``"l1"``, for inputs of mean norm 1 (default 0.1).
    tied : bool
        Keep the encoder equal to the decoder's transpose.
    epochs : int
        Passes over the data.
    batch_size : int
    learning_rate : float
        Peak of the one-cycle schedule of AdamW, without weight decay.
    revive : bool
        Let latents that stay silent start again.
    random_state : int
        Seed of the first decoder, the order of the data and the new starts.
    device : str
        Where to train.

    Attributes
    ----------
    components_ : float32 ndarray, shape (n_latents, n_features)
        Decoder directions (columns of D) as rows of unit norm.
    encoder_ : float32 ndarray, shape (n_latents, n_features)
    encoder_bias_ : float32 ndarray, shape (n_latents,)
    pre_bias_ : float32 ndarray, shape (n_features,)
        b, in units of the data.
    scale_ : float
        s, the mean norm of a sample.
    explained_ : float
        ``1 - ||X - X'||^2 / ||X||^2``, as that of `SemiNMF`.
    density_ : float64 ndarray, shape (n_latents,)
        Share of the samples in which each latent is active.
    n_dead_ : int
        Latents that no sample activates.
    n_revived_ : int
        New starts in the course of the training.
    losses_ : tuple of float
        Mean loss of each epoch.
    n_features_in_ : int

    Notes
    -----
    Equal seeds give equal bits on one device with one number of threads.

    Examples
    --------
    >>> from hodology.rng import stream
    >>> x = stream(0, "example").random((200, 3)) @ stream(1, "example").normal(size=(3, 10))
    >>> model = SparseAutoencoder(6, k=3, epochs=60).fit(x)
    >>> model.components_.shape, bool(model.explained_ > 0.95)
    ((6, 10), True)
    """

    components_: np.ndarray
    encoder_: np.ndarray
    encoder_bias_: np.ndarray
    pre_bias_: np.ndarray
    scale_: float
    explained_: float
    density_: np.ndarray
    n_dead_: int
    n_revived_: int
    losses_: tuple[float, ...]
    n_features_in_: int

    def __init__(
        self,
        n_latents: int,
        *,
        kind: Kind = "topk",
        k: int | None = None,
        l1: float | None = None,
        tied: bool = False,
        epochs: int = 100,
        batch_size: int = 256,
        learning_rate: float = 1e-2,
        revive: bool = True,
        random_state: int = 0,
        device: str = "cpu",
    ) -> None:
        self.n_latents = n_latents
        self.kind = kind
        self.k = k
        self.l1 = l1
        self.tied = tied
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.revive = revive
        self.random_state = random_state
        self.device = device

    def fit(
        self,
        X: np.ndarray | Tensor,
        y: object = None,
        *,
        on_epoch: Callable[[int, int, float], None] | None = None,
    ) -> SparseAutoencoder:
        """Train on X.

        Parameters
        ----------
        X : ndarray or Tensor, shape (n_samples, n_features)
            Rows are samples; never written to.
        y : ignored
            For scikit-learn's pipelines.
        on_epoch : callable, optional
            Progress: epochs done, epochs in all, loss.

        Raises
        ------
        InputError
            For X that is no finite dense matrix or zero altogether, or settings out of range.
        """
        del y
        sparsity = self._check_settings()
        device = check_device(self.device)
        x = to_matrix(X, dtype="float32")
        if mean_square(x) == 0.0:
            raise InputError(
                "X must have an entry that is not zero (rows are samples and columns are features)."
            )
        data = (x if isinstance(x, Tensor) else torch.tensor(x)).to(device)
        self.scale_ = float(torch.linalg.vector_norm(data, dim=1).double().mean())
        data = data / self.scale_
        coder = _Coder(
            data.double().mean(dim=0).float(),
            self.n_latents,
            k=sparsity if self.kind == "topk" else None,
            l1=0.0 if self.kind == "topk" else float(sparsity),
            tied=self.tied,
            patience=len(data),
            moments=self._moments(len(data)),
            seed=self.random_state,
        ).to(device)
        result = fit(
            coder,
            data,
            data,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=0.0,
            loss=_mean_of_rows,
            rng=self.random_state,
            on_epoch=on_epoch,
        )
        self.losses_, self.n_features_in_ = result.losses, data.shape[1]
        self._keep(coder, x)
        return self

    def fit_transform(self, X: np.ndarray | Tensor, y: object = None) -> np.ndarray | Tensor:
        """Train on X and return its latents, as `transform` would."""
        return self.fit(X, y).transform(X)

    def transform(self, X: np.ndarray | Tensor) -> np.ndarray | Tensor:
        """Latents of samples, in units of the data: non-negative, mostly zero.

        Parameters
        ----------
        X : ndarray or Tensor, shape (n_samples, n_features)

        Returns
        -------
        ndarray or Tensor, as X, shape (n_samples, n_latents)

        Raises
        ------
        InputError
            When not fitted, or X is no finite dense matrix of that width.
        """
        self._require_fitted()
        x = to_matrix(X, dtype="float32")
        check_width(x, self.n_features_in_, type(self).__name__)
        mean_square(x)
        found = np.concatenate([self._latents(to_host(x[rows])) for rows in row_blocks(x)])
        return torch.from_numpy(found).to(X.device) if isinstance(X, Tensor) else found

    def inverse_transform(self, X: np.ndarray | Tensor) -> np.ndarray | Tensor:
        """Activations ``f D^T + b`` of latents, shape (n_samples, n_latents); as an array or tensor, like them.

        Raises
        ------
        InputError
            When not fitted, or there is not one value per latent.
        """
        self._require_fitted()
        latents = to_matrix(X, dtype="float32")
        if latents.shape[1] != len(self.components_):
            raise InputError(
                f"latents must have {len(self.components_)} columns (rows are samples), got shape {tuple(latents.shape)}."
            )
        found = to_host(latents) @ self.components_ + self.pre_bias_
        return torch.from_numpy(found).to(X.device) if isinstance(X, Tensor) else found

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Names of the columns of `transform`: ``sparseautoencoder0``, ``sparseautoencoder1`` ..."""
        del input_features
        self._require_fitted()
        return np.array([f"sparseautoencoder{i}" for i in range(len(self.components_))], dtype=object)

    def _check_settings(self) -> int | float:
        """Raise for settings out of range; k or the weight of the penalty."""
        for name in ("n_latents", "epochs", "batch_size"):
            check_count(getattr(self, name), name)
        check_choice(self.kind, get_args(Kind), "kind")
        check_seed(self.random_state)
        if not self.learning_rate > 0.0:
            raise InputError(f"learning_rate must be positive, got {self.learning_rate!r}.")
        other = "l1" if self.kind == "topk" else "k"
        if getattr(self, other) is not None:
            raise InputError(f"{other} must be None with kind={self.kind!r}, got {getattr(self, other)!r}.")
        if self.kind == "topk":
            k = min(_K, self.n_latents) if self.k is None else check_count(self.k, "k")
            if k > self.n_latents:
                raise InputError(f"k must be at most n_latents ({self.n_latents}), got {k}.")
            return k
        weight = _L1 if self.l1 is None else self.l1
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0.0 <= weight < np.inf:
            raise InputError(f"l1 must be a number of at least 0, got {weight!r}.")
        return float(weight)

    def _moments(self, n_samples: int) -> list[float]:
        """Numbers of samples seen after which silent latents start again."""
        last = _UNTIL * self.epochs * n_samples
        return [last * number / _TIMES for number in range(1, _TIMES + 1)] if self.revive else []

    def _keep(self, coder: _Coder, x: Any) -> None:
        """Set the attributes, and what they give on the data."""
        with torch.no_grad():
            self.components_ = coder.directions().cpu().numpy()
            self.encoder_ = coder.rows().cpu().numpy()
            self.encoder_bias_ = coder.encoder_bias.detach().cpu().numpy()
            self.pre_bias_ = (coder.pre_bias * self.scale_).cpu().numpy()
        self.n_revived_ = coder.revived
        active, error, total = np.zeros(self.n_latents), 0.0, 0.0
        for rows in row_blocks(x):
            block = to_host(x[rows])
            latents = self._latents(block)
            active += (latents > 0.0).sum(axis=0)
            rest = (block - latents @ self.components_ - self.pre_bias_).astype(np.float64)
            error += float(np.vdot(rest, rest))
            total += float(np.square(block, dtype=np.float64).sum())
        self.density_ = active / len(x)
        self.n_dead_ = int((active == 0).sum())
        self.explained_ = 1.0 - error / total

    def _latents(self, block: np.ndarray) -> np.ndarray:
        before = (block - self.pre_bias_) @ self.encoder_.T + self.scale_ * self.encoder_bias_
        k = self._check_settings() if self.kind == "topk" else None
        return _activate(torch.from_numpy(before.astype(np.float32)), k).numpy()


class _Coder(nn.Module):
    """The autoencoder as the shared loop trains it: from a batch to the loss of every row."""

    idle: Tensor

    def __init__(
        self,
        mean: Tensor,
        n_latents: int,
        *,
        k: int | float | None,
        l1: float,
        tied: bool,
        patience: int,
        moments: list[float],
        seed: int,
    ) -> None:
        super().__init__()
        draws = torch.randn(n_latents, len(mean), generator=torch_stream(seed, "decoder")).to(mean.device)
        self.decoder = nn.Parameter(nn.functional.normalize(draws, dim=1))
        self.encoder = None if tied else nn.Parameter(self.decoder.detach().clone())
        self.encoder_bias = nn.Parameter(torch.zeros(n_latents, device=mean.device))
        self.pre_bias = nn.Parameter(mean.clone())
        self.register_buffer("idle", torch.zeros(n_latents, dtype=torch.int64, device=mean.device))
        self.k = None if k is None else int(k)
        self.l1, self.patience, self.moments = l1, patience, moments
        self.seen = self.revived = 0
        self.draws = torch_stream(seed, "revive")

    def directions(self) -> Tensor:
        """Decoder rows of unit norm; the parameter's own norms mean nothing."""
        return nn.functional.normalize(self.decoder, dim=1)

    def rows(self) -> Tensor:
        """Encoder rows."""
        return self.directions() if self.encoder is None else self.encoder

    def forward(self, batch: Tensor) -> Tensor:
        if self.training and self.moments and self.seen >= self.moments[0]:
            del self.moments[0]
            self._revive(batch)
        latents = self.latents(batch)
        if self.training:
            self.seen += len(batch)
            with torch.no_grad():
                self.idle += len(batch)
                self.idle[(latents > 0.0).any(dim=0)] = 0
        rest = batch - latents @ self.directions() - self.pre_bias
        return rest.square().sum(dim=1) + self.l1 * latents.sum(dim=1)

    def latents(self, batch: Tensor) -> Tensor:
        before = (batch - self.pre_bias) @ self.rows().T + self.encoder_bias
        return _activate(before, self.k)

    @torch.no_grad()
    def _revive(self, batch: Tensor) -> None:
        """Start silent latents again from badly explained samples of the batch."""
        dead = torch.nonzero(self.idle >= self.patience).flatten()
        if len(dead) == 0:
            return
        rest = batch - self.latents(batch) @ self.directions() - self.pre_bias
        error = rest.square().sum(dim=1).double().cpu()
        count = min(len(dead), int((error > 0.0).sum()))
        if count == 0:
            return
        picked = torch.multinomial(error, count, generator=self.draws).to(batch.device)
        dead, fresh = dead[:count], nn.functional.normalize(rest[picked], dim=1)
        self.decoder[dead] = fresh
        if self.encoder is not None:
            others = torch.ones(len(self.decoder), dtype=torch.bool, device=batch.device)
            others[dead] = False
            norm = self.encoder[others].norm(dim=1).mean() if bool(others.any()) else torch.ones(())
            self.encoder[dead] = fresh * norm * (1.0 if self.k is not None else _FAINT)
        self.encoder_bias[dead] = 0.0
        self.idle[dead] = 0
        self.revived += count


def _activate(before: Tensor, k: int | float | None) -> Tensor:
    """The positive values, or the k largest of them in every row."""
    if k is None or k >= before.shape[1]:
        return before.relu()
    found = before.topk(int(k), dim=1, sorted=False)
    return torch.zeros_like(before).scatter(1, found.indices, found.values.relu())


def _mean_of_rows(losses: Tensor, _: Tensor) -> Tensor:
    return losses.mean()
