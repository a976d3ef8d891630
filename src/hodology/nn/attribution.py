"""Attribution along straight lines over any set of sites at once.

For sites w^1 .. w^n with lines w^l(a) = start^l + a (end^l - start^l), 0 <= a <= 1, the engine computes

    g^l = integral_0^1 dF / dw^l (a) da

where F is the model's output for a target class while the *clamped* sites hold their line values (every site
of the line is replaced, what lies between and above is recomputed). One call needs one forward and one
backward pass over steps x batch rows for all sites together; what lies below the first site is computed once
per input (`hodology.nn.prefix`), not once per step. `LineAttribution.along_input` moves the input (or the
embedding) instead and reads the gradients at the sites while nothing is clamped.

References: Sundararajan, Taly, Yan, "Axiomatic attribution for deep networks", ICML 2017 (the integral);
Wang et al., "Discovering influential neuron path in vision transformers", ICLR 2025 (clamped joint lines).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import get_args

import torch
from torch import Tensor, nn

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.nn.clamp import clamp_site, pick
from hodology.nn.clean_run import CleanRun, OutputKind, check_targets, output_value
from hodology.nn.forward import Inputs, batch_size, call_model, check_inputs, last_positions, select_rows
from hodology.nn.prefix import Prefix, block_of, reads_elsewhere, run_last_block_at
from hodology.nn.quadrature import Rule, quadrature
from hodology.nn.sites import Site, find_sites
from hodology.nn.taps import evaluation_mode, hook_site, record

__all__ = ["LineAttribution", "last_feed_forward"]

Line = tuple[Tensor, Tensor]
_MEMORY = 384 * 2**20  # bytes of activations per pass when max_batch is None; more brings no speed on a CPU


class LineAttribution:
    """Gradients of a model's output along straight lines through its sites.

    Parameters
    ----------
    model : nn.Module
        Never changed: hooks, flags and overridden calls are taken back after each call.
    sites : sequence of Site
        Where lines may run and gradients are read, in the order of the layers.
    output : {"probability", "log-probability", "logit"}
        What F is. The default is the softmax probability of the target.
    max_batch : int, optional
        Most rows (steps x images) in one pass; None chooses by the model's activation size. It changes
        memory and speed, never the result beyond rounding.
    reuse_prefix : bool
        Compute what lies before the first site once per input. The first use is checked against a full
        pass; a model for which it does not hold is run in full, with a warning.
    """

    def __init__(
        self,
        model: nn.Module,
        sites: Sequence[Site],
        *,
        output: OutputKind = "probability",
        max_batch: int | None = None,
        reuse_prefix: bool = True,
    ) -> None:
        if output not in get_args(OutputKind):
            raise UnknownNameError(
                f"output {output!r} is not an output{near_names(output, get_args(OutputKind))}."
            )
        if max_batch is not None and max_batch < 1:
            raise InputError(f"max_batch must be at least 1, got {max_batch}.")
        self.model = model
        self.sites = tuple(sites)
        self.output = output
        self.max_batch = max_batch
        self.reuse_prefix = reuse_prefix
        self._last = last_feed_forward(model)
        self._read_alone: dict[str, bool] = {}
        self._checked: set[int] = set()

    def clean(
        self,
        inputs: Inputs,
        *,
        targets: Tensor | None = None,
        positions: Tensor | Callable[[int], Tensor] | None = None,
    ) -> CleanRun:
        """Run the batch undisturbed and keep the activity at the sites.

        Parameters
        ----------
        inputs : Tensor or mapping of Tensors
        targets : Tensor of int64, shape (batch,), optional
            Target classes; None takes the predicted ones.
        positions : Tensor of int64, shape (batch, positions), optional
            Token positions whose units count; None means all tokens. A callable gets the number of tokens
            at the last site and returns such a tensor.

        Raises
        ------
        InputError
            For empty batches, mixed devices, targets out of range, token indices out of range, a site that
            is not reached exactly once or holds no ``(batch, tokens, units)`` tensor, NaN in the scores.
        """
        inputs = check_inputs(self.model, inputs)
        with evaluation_mode(self.model), torch.no_grad(), record(self.model, self.sites) as activity:
            prefix, scores = Prefix.capture(
                self.model,
                self.sites,
                batch_size(inputs),
                lambda: call_model(self.model, inputs),
                whole=positions is None,
            )
        if torch.isnan(scores).any():
            raise InputError(
                "the model's scores contain NaN for this batch; check its weights and the inputs."
            )
        for site in self.sites:
            calls = activity.calls.get(site.name, 0)
            if calls != 1:
                raise InputError(
                    f"layer {site.name!r} ran {calls} times in one pass; it must run exactly once."
                )
        if callable(positions):
            held = activity[self.sites[-1].name]
            positions = positions(held.shape[1] if held.ndim == 3 else 1)
        picked = []
        for site in self.sites:
            picked.append(pick(activity[site.name], positions, site, len(scores)))
        goal = scores.argmax(dim=1) if targets is None else check_targets(targets, scores)
        return CleanRun(inputs, tuple(picked), scores, goal, positions, prefix)

    def gradients(
        self, run: CleanRun, lines: Mapping[int, Line], *, rule: Rule = "left", n_steps: int = 20
    ) -> dict[int, Tensor]:
        """Integrate dF/dw over the joint line of several clamped sites.

        Parameters
        ----------
        run : CleanRun
        lines : mapping of int to (start, end)
            Site index to the ends of its line, each of the shape of ``run.activations[index]``. All sites
            named here are clamped and move together; the others are free.
        rule, n_steps
            The quadrature rule (`hodology.nn.quadrature`).

        Returns
        -------
        dict of int to Tensor
            Mean gradient per site, shape ``(batch, positions, units)``, in the activity's dtype (summed in
            float64).
        """
        nodes, weights = quadrature(rule, n_steps)
        prefix = self._prefix(run, tuple(lines))
        total = {i: torch.zeros_like(run.activations[i], dtype=torch.float64) for i in lines}
        with evaluation_mode(self.model):
            for rows, alphas, shares in self._chunks(run, nodes, weights):
                leaves = {
                    i: torch.lerp(start[rows], end[rows], alphas[:, None, None].to(start)).requires_grad_()
                    for i, (start, end) in lines.items()
                }
                value = self._clamped_value(run, leaves, rows, prefix)
                found = _gradients(value, list(leaves.values()))
                for i, gradient in zip(leaves, found, strict=True):
                    total[i].index_add_(0, rows, gradient.double() * shares[:, None, None])
        return {i: value.to(run.activations[i].dtype) for i, value in total.items()}

    def along_input(
        self,
        run: CleanRun,
        *,
        baseline: float | Tensor = 0.0,
        rule: Rule = "left",
        n_steps: int = 20,
    ) -> tuple[Tensor, ...]:
        """Integrate dF/dw^l at every site while the *input* moves from `baseline` to itself.

        Nothing is clamped: activity and gradients are those of the interpolated input. Inputs that cannot be
        interpolated (token ids) are moved at the model's embedding site. One pass serves all sites.

        Returns
        -------
        tuple of Tensor
            Mean gradient per site, shape ``(batch, positions, units)``.
        """
        nodes, weights = quadrature(rule, n_steps)
        total = [torch.zeros_like(a, dtype=torch.float64) for a in run.activations]
        with evaluation_mode(self.model):
            for rows, alphas, shares in self._chunks(run, nodes, weights):
                gradients = self._input_gradients(run, rows, alphas, baseline)
                for sums, gradient in zip(total, gradients, strict=True):
                    sums.index_add_(0, rows, gradient.double() * shares[:, None, None])
        return tuple(t.to(a.dtype) for t, a in zip(total, run.activations, strict=True))

    def value(self, run: CleanRun, clamped: Mapping[int, Tensor]) -> Tensor:
        """F, shape ``(batch,)``, while the named sites hold the given values ``(batch, positions, units)``."""
        prefix = self._prefix(run, tuple(clamped))
        values = []
        with evaluation_mode(self.model), torch.no_grad():
            for rows in torch.arange(len(run), device=run.scores.device).split(self._rows(run)):
                held = {i: value[rows] for i, value in clamped.items()}
                values.append(self._clamped_value(run, held, rows, prefix))
        return torch.cat(values)

    def _clamped_value(
        self, run: CleanRun, held: Mapping[int, Tensor], rows: Tensor, prefix: Prefix | None
    ) -> Tensor:
        scores = self._clamped_scores(run, held, rows, prefix)
        return output_value(scores, run.targets[rows], self.output)

    def _clamped_scores(
        self, run: CleanRun, held: Mapping[int, Tensor], rows: Tensor, prefix: Prefix | None
    ) -> Tensor:
        positions = None if run.positions is None else run.positions[rows]
        where = None if prefix is None else self._read_positions(run, held, prefix)
        with ExitStack() as stack:
            if prefix is not None:
                stack.enter_context(prefix.reuse(rows))
                if where is not None and self._last is not None:
                    stack.enter_context(run_last_block_at(self.model, self._last, where[rows]))
            for i, value in held.items():
                stack.enter_context(clamp_site(self.model, self.sites[i], value, positions))
            return call_model(self.model, select_rows(run.inputs, rows))

    def _input_gradients(
        self, run: CleanRun, rows: Tensor, alphas: Tensor, baseline: float | Tensor
    ) -> list[Tensor]:
        inputs = select_rows(run.inputs, rows)

        def moved(value: Tensor) -> Tensor:
            start = torch.as_tensor(baseline, dtype=value.dtype, device=value.device).expand_as(value)
            steps = alphas.to(value).view(-1, *[1] * (value.ndim - 1))
            return torch.lerp(start, value, steps).detach().requires_grad_()

        with ExitStack() as stack:
            floating = isinstance(inputs, Tensor) and inputs.is_floating_point()
            pixels = isinstance(inputs, Mapping) and "pixel_values" in inputs
            if floating and isinstance(inputs, Tensor):
                inputs = moved(inputs)
            elif pixels and isinstance(inputs, Mapping):
                inputs = {**inputs, "pixel_values": moved(inputs["pixel_values"])}
            else:
                stack.enter_context(hook_site(self.model, find_sites(self.model, "embedding")[0], moved))
            activity = stack.enter_context(record(self.model, self.sites, detach=False))
            value = output_value(call_model(self.model, inputs), run.targets[rows], self.output)
        reads = [activity[site.name] for site in self.sites]
        gradients = _gradients(value, reads)
        where = None if run.positions is None else run.positions[rows]
        return [pick(g, where, site, len(rows)) for g, site in zip(gradients, self.sites, strict=True)]

    def _chunks(
        self, run: CleanRun, nodes: object, weights: object
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Rows, line parameters and weights of steps x images, image by image, in pieces of `max_batch`."""
        device = run.scores.device
        alphas, shares = (torch.as_tensor(x, dtype=torch.float64, device=device) for x in (nodes, weights))
        images = torch.arange(len(run), device=device).repeat_interleave(len(alphas))
        steps = torch.arange(len(alphas), device=device).repeat(len(run))
        for rows, step in zip(images.split(self._rows(run)), steps.split(self._rows(run)), strict=True):
            yield rows, alphas[step], shares[step]

    def _rows(self, run: CleanRun) -> int:
        if self.max_batch is not None:
            return self.max_batch
        return int(max(4, min(1024, _MEMORY // max(run.prefix.row_bytes, 1))))

    def _prefix(self, run: CleanRun, lines: tuple[int, ...]) -> Prefix | None:
        """The part before the first line, checked once per engine by a pass that must give the clean scores."""
        if not self.reuse_prefix or not lines:
            return None
        first = min(lines)
        prefix = run.prefix
        if first > 0:
            sites = tuple(self.sites[i] for i in lines)
            with evaluation_mode(self.model), torch.no_grad():
                prefix, _ = Prefix.capture(
                    self.model,
                    sites,
                    len(run),
                    lambda: call_model(self.model, run.inputs),
                    whole=run.positions is None,
                )
        if first not in self._checked:
            if not self._agrees(run, first, prefix):
                warnings.warn(
                    f"{type(self.model).__name__} gives other scores when the part before {self.sites[first].name!r} "
                    "is reused, so it is computed in full; reuse_prefix=False silences this.",
                    stacklevel=3,
                )
                self.reuse_prefix = False
                return None
            self._checked.add(first)
        return prefix

    def _read_positions(self, run: CleanRun, held: Mapping[int, Tensor], prefix: Prefix) -> Tensor | None:
        """The one position per row that the output reads behind the last block, or None: then it runs in full."""
        last = self._last
        if last is None or last.module in prefix.outputs:
            return None
        where = run.positions
        if where is None:  # all tokens are clamped: then only below the last block, and for a class token
            inside = block_of(self.model, last) + "."
            if any(self.sites[i].module.startswith(inside) for i in held):
                return None
            where = torch.zeros(len(run), 1, dtype=torch.int64, device=run.scores.device)
        if where.shape[1] != 1:
            return None
        ids = run.inputs.get("input_ids") if isinstance(run.inputs, Mapping) else None
        which, meant = "first", torch.zeros_like(where[:, 0])
        if ids is not None:  # a language model, whose scores are read at the last word
            which, meant = "last", last_positions(run.inputs, ids.shape[1])
        if not bool((where[:, 0] == meant).all()):
            return None  # another token, which the output does not read alone
        if which not in self._read_alone:
            few = torch.arange(min(2, len(run)), device=run.scores.device)
            inputs = select_rows(run.inputs, few)
            with evaluation_mode(self.model):
                self._read_alone[which] = not reads_elsewhere(
                    self.model, last, where[few], lambda: call_model(self.model, inputs).amax(dim=1)
                )
        return where if self._read_alone[which] else None

    def _agrees(self, run: CleanRun, first: int, prefix: Prefix) -> bool:
        """Whether a pass on top of the kept part gives the clean scores; one row is repeated, as steps repeat."""
        rows = torch.arange(min(len(run), self._rows(run)), device=run.scores.device)
        rows = torch.cat([rows, rows[:1]])
        try:
            with evaluation_mode(self.model), torch.no_grad():
                again = self._clamped_scores(run, {first: run.activations[first][rows]}, rows, prefix)
        except (RuntimeError, IndexError):  # modules of a fixed batch behind the kept part, such as windows
            return False
        return torch.allclose(again, run.scores[rows], rtol=1e-3, atol=1e-4)


def last_feed_forward(model: nn.Module) -> Site | None:
    """The feed-forward site of the model's last block; None where none is recognised."""
    try:
        return find_sites(model, "ffn")[-1]
    except InputError:
        return None


def _gradients(value: Tensor, leaves: Sequence[Tensor]) -> list[Tensor]:
    """Zero where the output does not depend on a leaf, as in a plain chain behind a clamped layer."""
    if not value.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(value.sum(), list(leaves), allow_unused=True)
    return [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, found, strict=True)]
