"""Neuron paths: the chain of hidden units, one a layer, that carried a decision.

For units i_1 .. i_N, one in each of the layers 1 .. N, with clean activity wbar^n and all searched layers clamped to
it, let only these N entries move together, v^n = wbar^n with entry i_n scaled by a. The joint attribution
score of the path is

    product form   JAS = ( sum_n wbar^n_{i_n} ) * integral_0^1 ( sum_l dF/dw^l_{i_l} )(a) da
    diagonal form  IG  = sum_n wbar^n_{i_n} * integral_0^1 dF/dw^n_{i_n} (a) da

with F the probability of the target class. The diagonal form is integrated gradients on the joint line and sums
to F(clean) - F(path units zero); the product form is the paper's and adds cross terms. Integrals are left
Riemann sums of 20 steps by default.

The search grows a path layer by layer: with units chosen below, the whole vector of the next layer is scaled
together with them, so one sweep scores all its units at once, and the best joins the path.

Reference: Wang et al., "Discovering influential neuron path in vision transformers", ICLR 2025.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.interpret.path_baselines import BaselineName, baseline_units
from hodology.interpret.path_result import PathResult
from hodology.interpret.path_search import (
    Form,
    beam_search,
    exhaustive_search,
    path_score,
    progressive_search,
)
from hodology.interpret.positions import Token, check_token, find_token, has_class_token, token_positions
from hodology.nn.attribution import LineAttribution, last_feed_forward
from hodology.nn.clean_run import CleanRun, OutputKind, check_targets
from hodology.nn.forward import Inputs, usable_model
from hodology.nn.quadrature import Rule, quadrature
from hodology.nn.sites import Site, SiteKind, resolve_sites

__all__ = ["NeuronPath", "TargetRule"]

TargetRule = Literal["predicted", "label"] | Callable[[Tensor], Tensor]


class NeuronPath:
    """Find, score and compare the influential neuron paths of a trained classifier or language model.

    Parameters
    ----------
    model : nn.Module
        Any model of timm, transformers or torchvision naming, or a module of one's own (then name `layers`). It is
        never changed. A half-precision model is copied to float32 once, with a warning.
    layers : sequence of str, int or Site, optional
        Layers of the path in order; None for all feed-forward blocks.
    units : {"ffn", "attention", "residual"}
        Which units `layers=None` and integers mean.
    token : {"auto", "cls", "patches", "last"} or int
        Which positions count; ``"auto"`` finds out what the model's output reads (class token, patches, or
        the last word of a text).
    target : {"predicted", "label"} or callable
        Class to explain when `find` gets none: the model's choice, the label (then `find` must get it), or a
        function from scores ``(batch, classes)`` to class ids.
    steps : int
        Nodes of the integral (paper: 20).
    rule : {"left", "right", "midpoint", "trapezoid", "gauss-legendre"}
        Quadrature (paper: ``"left"``). With ``"gauss-legendre"`` some 4 nodes are as exact as 300 left ones.
    form : {"product", "diagonal"}
        The paper's score, or integrated gradients on the joint line.
    output : {"probability", "log-probability", "logit"}
        F (paper: the probability).
    max_batch : int, optional
        Most rows (steps x images) in one pass; bounds memory.

    Raises
    ------
    UnknownNameError, InputError
        For a wrong argument, or a compiled, scripted or checkpointed model.

    Examples
    --------
    >>> import torch
    >>> from hodology.nn.models import VisionTransformer
    >>> model = VisionTransformer(image_size=8, patch_size=2, depth=2, width=16, heads=2, hidden=32).eval()
    >>> result = NeuronPath(model).find(torch.rand(3, 1, 8, 8))
    >>> result.path.shape
    torch.Size([3, 2, 1])
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str | int | Site] | None = None,
        *,
        units: SiteKind = "ffn",
        token: Token = "auto",
        target: TargetRule = "predicted",
        steps: int = 20,
        rule: Rule = "left",
        form: Form = "product",
        output: OutputKind = "probability",
        max_batch: int | None = None,
    ) -> None:
        if form not in get_args(Form):
            raise UnknownNameError(f"form {form!r} is not a score{near_names(form, get_args(Form))}.")
        if not callable(target) and target not in ("predicted", "label"):
            raise UnknownNameError(f"target must be 'predicted', 'label' or a callable, got {target!r}.")
        quadrature(rule, steps)
        self.model = usable_model(model)
        self.sites = resolve_sites(self.model, layers, units=units)
        self.token = check_token(token)
        self.target = target
        self.steps = steps
        self.rule: Rule = rule
        self.form: Form = form
        self.engine = LineAttribution(self.model, self.sites, output=output, max_batch=max_batch)

    def run(self, x: Inputs, target: Tensor | Sequence[int] | int | None = None) -> CleanRun:
        """One undisturbed pass; what `find`, `score` and `baseline` start from and can share.

        Parameters
        ----------
        x : Tensor or mapping of Tensors
            A batch.
        target : int64, shape (batch,), or int, optional
            Class per row, or one for all; None applies the `target` rule.
        """
        if self.model.training:
            warnings.warn(
                "the model is in training mode; it is run in eval mode (dropout off).", stacklevel=2
            )
        if self.token == "auto":
            # Asked at the last block: what the output reads must not depend on the layers that are searched.
            self.token = find_token(self.model, x, last_feed_forward(self.model) or self.sites[-1])
        class_token = has_class_token(self.model)
        run = self.engine.clean(
            x, positions=lambda n: token_positions(x, self.token, tokens=n, class_token=class_token)
        )
        if target is not None:
            return run.with_targets(torch.as_tensor(target))
        if callable(self.target):
            return run.with_targets(self.target(run.scores))
        if self.target == "label":
            raise InputError("target='label' needs the labels: find(x, target=labels).")
        return run

    def find(
        self,
        x: Inputs | CleanRun | Iterable[Any],
        target: Tensor | Sequence[int] | int | None = None,
        *,
        top_k: int = 1,
        exact: int = 0,
    ) -> PathResult:
        """Grow a path for every input by the layer-progressive search.

        Parameters
        ----------
        x : Tensor, mapping of Tensors, CleanRun or iterable of batches
            A batch, an earlier `run`, or a DataLoader of batches or ``(batch, labels)`` pairs (results are then
            joined, without activations and candidate scores).
        target : int64, shape (batch,), optional
        top_k : int
            Units kept per layer; all k move in later sweeps and enter both sums.
        exact : int
            Re-score the best `exact` units of each layer by their true joint score (one sweep each) instead
            of the shared sweep, and report in ``changed`` where that changed the choice. 0: off.

        Returns
        -------
        PathResult

        Raises
        ------
        InputError
            For a wrong `top_k`, `exact`, target, or batch (see `LineAttribution.clean`).
        """
        if isinstance(x, (Tensor, Mapping, CleanRun)):
            return self._find(self._as_run(x, target), top_k, exact)
        if target is not None:
            raise InputError("target must come with each batch when x is a loader: yield (batch, labels).")
        parts = []
        for batch in x:
            inputs: Any
            inputs, labels = batch if isinstance(batch, (tuple, list)) and len(batch) == 2 else (batch, None)
            wanted = labels if self.target == "label" else None
            parts.append(_lean(self._find(self.run(inputs, wanted), top_k, exact)))
        return PathResult.concatenate(parts)

    def score(
        self,
        x: Inputs | CleanRun,
        paths: PathResult | Tensor,
        target: Tensor | Sequence[int] | int | None = None,
    ) -> Tensor:
        """Joint attribution score of given paths, shape ``(batch,)``.

        Parameters
        ----------
        x : Tensor, mapping of Tensors or CleanRun
        paths : PathResult or Tensor of int64, shape (batch, layers) or (batch, layers, k)
        target : int64, shape (batch,), optional
        """
        run = self._as_run(x, target)
        units = paths.path if isinstance(paths, PathResult) else torch.as_tensor(paths)
        return path_score(self.engine, run, units, form=self.form, rule=self.rule, n_steps=self.steps)

    def baseline(
        self,
        name: BaselineName,
        x: Inputs | CleanRun,
        target: Tensor | Sequence[int] | int | None = None,
        *,
        top_k: int = 1,
        rng: int | Sequence[int] = 0,
    ) -> PathResult:
        """Path by one of the methods that the paper compares with; see `hodology.interpret.path_baselines`.

        Parameters
        ----------
        name : {"activation", "influence", "kn-ig", "random"}
        rng : int or sequence of int
            Seed of the random paths, or one seed per row.
        """
        run = self._as_run(x, target)
        candidates = baseline_units(name, self.engine, run, rule=self.rule, n_steps=self.steps, rng=rng)
        _check_count(top_k, run, "top_k")
        units = torch.stack([c.topk(top_k, dim=1).indices for c in candidates], dim=1)
        return self._result(run, units, method=name, candidates=candidates)

    def beam(
        self, x: Inputs | CleanRun, target: Tensor | Sequence[int] | int | None = None, *, width: int = 8
    ) -> PathResult:
        """Keep the best `width` partial paths at each layer; the best by true joint score is returned."""
        run = self._as_run(x, target)
        if width < 1:
            raise InputError(f"width must be at least 1, got {width}.")
        units = beam_search(self.engine, run, width, form=self.form, rule=self.rule, n_steps=self.steps)
        return self._result(run, units, method=f"beam-{width}")

    def exhaustive(
        self,
        x: Inputs | CleanRun,
        target: Tensor | Sequence[int] | int | None = None,
        *,
        limit: int = 100_000,
    ) -> PathResult:
        """Score every path of a small model; an upper reference for the searches.

        Raises
        ------
        InputError
            When there are more than `limit` paths.
        """
        run = self._as_run(x, target)
        units = exhaustive_search(
            self.engine, run, limit=limit, form=self.form, rule=self.rule, n_steps=self.steps
        )
        return self._result(run, units, method="exhaustive")

    def _find(self, run: CleanRun, top_k: int, exact: int) -> PathResult:
        _check_count(top_k, run, "top_k")
        if exact and exact < top_k:
            raise InputError(f"exact must be 0 or at least top_k ({top_k}), got {exact}.")
        units, candidates, changed = progressive_search(
            self.engine, run, top_k, form=self.form, rule=self.rule, n_steps=self.steps, exact=exact
        )
        return self._result(run, units, method="neuron-path", candidates=candidates, changed=changed)

    def _result(
        self,
        run: CleanRun,
        units: Tensor,
        *,
        method: str,
        candidates: tuple[Tensor, ...] = (),
        changed: Tensor | None = None,
    ) -> PathResult:
        return PathResult(
            path=units,
            score=self.score(run, units),
            sites=tuple(site.name for site in self.sites),
            target=run.targets,
            predicted=run.scores.argmax(dim=1),
            probability=run.probability,
            positions=_positions(run),
            method=method,
            form=self.form,
            candidate_scores=candidates,
            activations=run.activations,
            changed=changed,
        )

    def _as_run(self, x: Inputs | CleanRun, target: Tensor | Sequence[int] | int | None) -> CleanRun:
        if not isinstance(x, CleanRun):
            return self.run(x, target)
        return x if target is None else x.with_targets(check_targets(torch.as_tensor(target), x.scores))


def _check_count(count: int, run: CleanRun, name: str) -> None:
    widest = min(a.shape[-1] for a in run.activations)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= widest:
        raise InputError(f"{name} must be 1 to {widest} (units in the narrowest layer), got {count!r}.")


def _positions(run: CleanRun) -> Tensor:
    if run.positions is not None:
        return run.positions
    return torch.arange(run.activations[-1].shape[1], device=run.scores.device).repeat(len(run), 1)


def _lean(result: PathResult) -> PathResult:
    """Without activity and candidate scores, which would fill the memory over a whole data set."""
    fields = {name: getattr(result, name) for name in result.__dataclass_fields__}
    return PathResult(**(fields | {"candidate_scores": (), "activations": ()}))
