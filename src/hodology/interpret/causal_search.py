"""The backward search of a causal graph: candidates, effects, tests and accepted units, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hodology.files import arrays_from_bytes, arrays_to_bytes, hash_arrays, hash_json
from hodology.interpret.causal_effects import EffectKind, StageRun, class_value, rounding
from hodology.interpret.causal_result import CausalLayer
from hodology.interpret.causal_runs import Runs
from hodology.interpret.causal_stages import Stage
from hodology.interpret.effect_tests import Correction, TestKind, effect_tests
from hodology.stats import t_interval
from hodology.work import UnitStore

__all__ = ["Memory", "Rule", "Table", "accept", "cost_figures", "empty_table", "go_back", "screened"]

Table = dict[str, np.ndarray]


@dataclass(frozen=True)
class Rule:
    """When an edge is accepted; see `hodology.interpret.causal_graph`."""

    target: int
    effect: EffectKind
    alpha: float
    correction: Correction
    test: TestKind
    min_effect: float
    max_parents: int | None
    screen: float
    rng: int


@dataclass(frozen=True, eq=False)
class Memory:
    """Effects of layers that are done, on disk.

    Attributes
    ----------
    store : UnitStore
    depends : list
        Model, samples and references, as JSON.
    """

    store: UnitStore
    depends: list[Any]

    def get(self, what: list[Any], compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The array that `what` names, computed when it is not there."""
        key = hash_json([self.depends, what])[:32]
        if self.store.has(key):
            return arrays_from_bytes(self.store.load(key))["values"]
        values = compute()
        self.store.save(key, arrays_to_bytes({"values": values}))
        return values


def go_back(
    runs: Runs,
    chosen: Sequence[Stage],
    rule: Rule,
    on_layer: Callable[[int, int], None] | None = None,
    memory: Memory | None = None,
) -> tuple[dict[str, Table], dict[str, CausalLayer]]:
    """From the class to the input; columns of every layer's candidate edges, and what is known of the layer."""
    accepted: dict[str, set[int]] = {chosen[-1].name: {rule.target}}
    found: dict[str, Table] = {}
    infos: dict[str, CausalLayer] = {}
    for done, stage in enumerate(reversed(chosen), 1):
        units = np.array(sorted(accepted.get(stage.name, set())), dtype=np.int64)
        table = _candidates(runs, stage, units)
        _measure(runs, stage, table, rule, memory)
        found[stage.name] = table
        infos[stage.name] = _info(runs, stage, table, rule)
        for branch, source in enumerate(stage.sources):
            taken = table["source"][table["kept"] & (table["branch"] == branch)] // runs.block(stage, branch)
            accepted.setdefault(source.stage, set()).update(taken.tolist())
        if on_layer is not None:
            on_layer(done, len(chosen))
    return found, infos


def empty_table(
    layer: str, sources: Sequence[str], branch: np.ndarray, source: np.ndarray, target: np.ndarray
) -> Table:
    """Columns of candidate edges that nothing is known of yet; `sources` names the place of each branch."""
    count = len(target)
    table = {"branch": branch, "source": source, "target": target}
    table |= {
        n: np.full(count, np.nan) for n in ("estimate", "effect", "ci_low", "ci_high", "p", "p_adjusted")
    }
    table |= {name: np.zeros(count, dtype=bool) for name in ("tested", "kept")}
    return table | {"layer": np.full(count, layer), "source_layer": np.array(sources)[branch]}


def accept(table: Table, chosen: np.ndarray, effects: np.ndarray, rule: Rule) -> None:
    """Test the effects ``(edges, samples)`` of the chosen candidates and mark what is kept, in place."""
    result = effect_tests(
        effects, test=rule.test, correction=rule.correction, candidates=len(table["target"]), rng=rule.rng
    )
    table["tested"][chosen] = True
    figures = {"effect": result.effect, "ci_low": result.low, "ci_high": result.high, "p": result.p}
    for name, values in {**figures, "p_adjusted": result.adjusted}.items():
        table[name][chosen] = values
    kept = result.effect > rule.min_effect
    if result.kind != "none":
        kept &= result.adjusted <= rule.alpha
    table["kept"][chosen] = kept
    if rule.max_parents is not None:
        _thin(table, rule.max_parents)


def screened(estimate: np.ndarray, share: float) -> np.ndarray:
    """Which candidates are tested exactly: this share of them, those with the largest estimate."""
    if share >= 1.0:
        return np.arange(len(estimate))
    best = np.argsort(-estimate, kind="stable")[: max(1, round(share * len(estimate)))]
    return np.sort(best)


def cost_figures(drop: np.ndarray, right: np.ndarray) -> dict[str, float | None]:
    """What a joint cut costs, of the loss of evidence and the hits ``(samples,)``; see `CausalLayer`."""
    interval = t_interval(drop)
    low, high = (None if np.isnan(v) else v for v in (interval.low, interval.high))
    figures: dict[str, float | None] = {"effect": interval.estimate, "low": low, "high": high}
    return {**figures, "accuracy": float(right.mean())}


def _candidates(runs: Runs, stage: Stage, units: np.ndarray) -> Table:
    """All edges into accepted units, those of one unit side by side."""
    parts = []
    for index in range(len(stage.sources)):
        if stage.kind == "add":
            parts.append((np.full(len(units), index), units, units))
        else:
            count = runs.sources(stage, index)
            sources = np.tile(np.arange(count), len(units))
            parts.append((np.zeros(len(sources), dtype=np.int64), sources, np.repeat(units, count)))
    branch, source, target = (np.concatenate(column).astype(np.int64) for column in zip(*parts, strict=True))
    order = np.argsort(target, kind="stable")
    places = [runs.place(stage, index) for index in range(len(stage.sources))]
    return empty_table(stage.name, places, branch[order], source[order], target[order])


def _measure(runs: Runs, stage: Stage, table: Table, rule: Rule, memory: Memory | None) -> None:
    """Fill in effects, tests and what is kept."""
    count = len(table["target"])
    if count == 0:
        return
    columns = tuple(torch.from_numpy(table[name]) for name in ("branch", "source", "target"))
    of = (stage, rule.target, rule.effect)
    table["estimate"] = runs.mean(*of, lambda run: run.estimates(*runs.on_device(columns)))
    chosen = screened(table["estimate"], rule.screen)
    part = tuple(column[torch.from_numpy(chosen)] for column in columns)

    def compute() -> np.ndarray:
        return runs.all(*of, lambda run: run.effects(*runs.on_device(part)))

    what = [stage.name, rule.target, rule.effect, runs.by_column, hash_arrays(_picked(table, chosen))]
    effects = compute() if memory is None else memory.get(what, compute)
    nothing = np.abs(effects).max(axis=1) <= rounding(runs.scores(), rule.target, rule.effect)
    accept(table, chosen, np.where(nothing[:, None], 0.0, effects), rule)


def _picked(table: Table, chosen: np.ndarray) -> Table:
    return {name: table[name][chosen] for name in ("branch", "source", "target")}


def _thin(table: Table, most: int) -> None:
    """Keep at most so many edges into one unit, the largest effects first."""
    for unit in np.unique(table["target"][table["kept"]]):
        mine = np.flatnonzero(table["kept"] & (table["target"] == unit))
        ranked = mine[np.argsort(-table["effect"][mine], kind="stable")]
        table["kept"][ranked[most:]] = False


def _info(runs: Runs, stage: Stage, table: Table, rule: Rule) -> CausalLayer:
    """What is known of a layer, and what cutting all its rejected candidates costs."""
    branches = range(len(stage.sources))
    info = CausalLayer(
        stage.name,
        stage.kind,
        stage.units,
        tuple(runs.place(stage, b) for b in branches),
        tuple(runs.sources(stage, b) for b in branches),
        tuple(runs.block(stage, b) for b in branches),
        len(table["kept"]),
        int(table["tested"].sum()),
        int(table["kept"].sum()),
    )
    rejected = ~table["kept"]
    if not rejected.any():
        return info
    masks = [torch.zeros(stage.units, n, dtype=torch.bool) for n in info.source_units]
    for branch, mask in enumerate(masks):
        here = rejected & (table["branch"] == branch)
        mask[torch.from_numpy(table["target"][here]), torch.from_numpy(table["source"][here])] = True
    given = runs.on_device(tuple(masks))

    def cost(run: StageRun) -> Tensor:
        scores = run.together(given)
        drop = run.evidence() - class_value(scores, rule.target, rule.effect)
        return torch.stack([drop, (scores.argmax(dim=1) == rule.target).to(drop)])

    drop, right = runs.all(stage, rule.target, rule.effect, cost)
    return replace(info, rejected_cost=cost_figures(drop, right))
