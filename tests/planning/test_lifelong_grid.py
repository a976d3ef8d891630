"""The lifelong grid world: POGEMA replayed, the rules against plain Python, laws that every step keeps."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.errors import InputError, UnknownNameError
from hodology.graph.grid import Grid
from hodology.planning.grid_generators import random_map, warehouse_map
from hodology.planning.grid_map import GridMap
from hodology.planning.lifelong_grid import LifelongGrid

GOLDEN = json.loads(Path(__file__).with_name("pogema_1_4_0.json").read_text())
RULES = ("soft", "priority", "block")
STEPS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
OPEN = GridMap.from_array(np.zeros((5, 5), dtype=int))


def _cells(world: LifelongGrid, flat: np.ndarray) -> list[tuple[int, int]]:
    return [tuple(cell) for cell in world.grid.coordinates(flat).tolist()]


def _world(starts, goals=None, *, map=OPEN, **options) -> LifelongGrid:
    return LifelongGrid(map, len(starts), starts=starts, goals=goals, obs_radius=1, **options)


# ---------------------------------------------------------------------------------------------------- POGEMA 1.4.0


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda c: f"{c['map']}-{c['collision']}")
def test_pogema_is_replayed_step_by_step(case):
    world = LifelongGrid(
        GridMap.from_text("\n".join(GOLDEN["maps"][case["map"]])),
        case["n_agents"],
        seed=case["seed"],
        obs_radius=case["obs_radius"],
        collision=case["collision"],
    )
    assert world.grid.coordinates(world.starts).tolist() == case["starts"]
    assert world.grid.coordinates(world.goals).tolist() == case["first_goals"]
    positions, goals = [world.positions], [world.goals]
    for actions in case["actions"]:
        world.step(np.array([int(action) for action in actions]))
        positions.append(world.positions)
        goals.append(world.goals)
    assert world.reached_total.sum() > 5
    assert world.grid.coordinates(world.positions).tolist() == case["last_positions"]
    assert world.grid.coordinates(world.goals).tolist() == case["last_goals"]
    assert _digest(world, positions) == case["sha256_positions"]
    assert _digest(world, goals) == case["sha256_goals"]


def _digest(world: LifelongGrid, flat: list[np.ndarray]) -> str:
    cells = world.grid.coordinates(np.array(flat)).astype("<i4")
    return hashlib.sha256(cells.tobytes()).hexdigest()


# ------------------------------------------------------------------------------------------- the rules in plain words


def _soft(free, cells, actions):
    """The soft rule as the paper's environment words it, with lists of claims and real recursion."""
    actions = list(actions)

    def target(agent):
        return cells[agent][0] + STEPS[actions[agent]][0], cells[agent][1] + STEPS[actions[agent]][1]

    claims: dict[tuple[int, int], list[int]] = {}
    for agent in range(len(cells)):
        claims.setdefault(target(agent), []).append(agent)
    wanted = [target(agent) for agent in range(len(cells))]
    for agent, cell in enumerate(wanted):
        swaps = [o for o in range(agent + 1, len(cells)) if cells[o] == cell and wanted[o] == cells[agent]]
        if swaps:
            claims[cell].remove(agent)
            claims.setdefault(cells[agent], []).append(agent)
            actions[agent] = 0

    def revert(agent):
        claims[target(agent)].remove(agent)
        actions[agent] = 0
        own = claims.setdefault(cells[agent], [])
        own.append(agent)
        if len(own) > 1:
            revert(own[0])

    for agent in reversed(range(len(cells))):
        if len(claims[target(agent)]) > 1 or not free.get(target(agent), False):
            revert(agent)
    return [target(agent) for agent in range(len(cells))]


def _priority(free, cells, actions):
    cells = list(cells)
    for agent, action in enumerate(actions):
        to = cells[agent][0] + STEPS[action][0], cells[agent][1] + STEPS[action][1]
        if free.get(to, False) and to not in cells:
            cells[agent] = to
    return cells


def _block(free, cells, actions):
    wanted = [(c[0] + STEPS[a][0], c[1] + STEPS[a][1]) for c, a in zip(cells, actions, strict=True)]
    return [
        to if free.get(to, False) and to not in cells and wanted.count(to) == 1 else cell
        for cell, to in zip(cells, wanted, strict=True)
    ]


PLAIN = {"soft": _soft, "priority": _priority, "block": _block}


@st.composite
def _crowds(draw):
    height, width = draw(st.integers(2, 6)), draw(st.integers(2, 6))
    walls = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    if draw(st.booleans()):
        walls = [False] * (height * width)
    map = GridMap.from_array(np.array(walls).reshape(height, width))
    grid = Grid(map.free)
    parts = grid.components()
    sizes = np.bincount(parts[parts >= 0], minlength=1)
    usable = [tuple(c) for c in grid.coordinates(grid.cells[sizes[parts[grid.cells]] > 1]).tolist()]
    starts = draw(st.permutations(usable))[: draw(st.integers(1, max(1, len(usable))))]
    seed = draw(st.integers(0, 2**32))
    return map, starts, seed


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=60)
@given(crowd=_crowds())
def test_the_kernel_does_what_plain_python_does_and_no_one_collides(rule, crowd):
    map, starts, seed = crowd
    if not starts:
        return
    world = LifelongGrid(map, len(starts), seed=seed, starts=starts, obs_radius=1, collision=rule)
    free = {tuple(cell): True for cell in np.argwhere(map.free).tolist()}
    generator = np.random.default_rng(seed)
    for _ in range(12):
        before = _cells(world, world.positions)
        actions = generator.integers(5, size=len(starts))
        goals, given = world.goals, actions.copy()
        result = world.step(actions)
        after = _cells(world, world.positions)
        assert after == PLAIN[rule](free, before, actions.tolist())
        assert np.array_equal(actions, given)
        _check_laws(world, before, after, free)
        assert np.array_equal(result.moved, [a != b for a, b in zip(before, after, strict=True)])
        assert np.array_equal(result.reached, world.positions == goals)


def _check_laws(world, before, after, free):
    """One agent in a cell, on free cells, one step at most, no swap; the table of agents is up to date."""
    assert len(set(after)) == len(after)
    assert all(free.get(cell, False) for cell in after)
    assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) <= 1 for a, b in zip(before, after, strict=True))
    went = {(a, b) for a, b in zip(before, after, strict=True) if a != b}
    assert not any((b, a) in went for a, b in went)
    table = np.full(world.grid.size, -1)
    table[world.positions] = np.arange(world.n_agents)
    assert np.array_equal(world.occupied(), table)


def test_cases_that_tell_the_rules_apart():
    chain = [(2, 0), (2, 1), (2, 2)]
    moved = {rule: _after(chain, [4, 4, 4], rule) for rule in RULES}
    assert moved["soft"] == [(2, 1), (2, 2), (2, 3)]
    assert moved["priority"] == [(2, 0), (2, 1), (2, 3)]  # the first ones found their cell taken
    assert moved["block"] == [(2, 0), (2, 1), (2, 3)]
    assert _after(chain[::-1], [4, 4, 4], "priority") == [(2, 3), (2, 2), (2, 1)]
    assert _after(chain[::-1], [4, 4, 4], "block") == [(2, 3), (2, 1), (2, 0)]
    ring = [(1, 1), (1, 2), (2, 2), (2, 1)]
    assert _after(ring, [4, 2, 3, 1], "soft") == [(1, 2), (2, 2), (2, 1), (1, 1)]
    assert _after(ring, [4, 2, 3, 1], "priority") == ring
    swap = [(1, 1), (1, 2)]
    assert all(_after(swap, [4, 3], rule) == swap for rule in RULES)
    contest = [(1, 1), (1, 3)]
    assert _after(contest, [4, 3], "soft") == [(1, 2), (1, 3)]
    assert _after(contest, [4, 3], "priority") == [(1, 2), (1, 3)]
    assert _after(contest, [4, 3], "block") == contest
    # a wall stops the head of a chain, and with it all who follow
    assert _after([(2, 4), (2, 3), (2, 2)], [4, 4, 4], "soft") == [(2, 4), (2, 3), (2, 2)]


def _after(starts, actions, rule):
    world = _world(starts, collision=rule)
    world.step(actions)
    return _cells(world, world.positions)


# ------------------------------------------------------------------------------------------------- goals and streams


@pytest.mark.parametrize("map", [random_map(20, 20, seed=3), warehouse_map()], ids=["plain", "marked"])
def test_goals_do_not_depend_on_what_agents_do(map):
    sequences = []
    for seed in (1, 2):
        world = LifelongGrid(map, 30, seed=5)
        found = [[goal] for goal in world.goals.tolist()]
        generator = np.random.default_rng(seed)
        for _ in range(400):
            result = world.step(_towards(world, generator))
            for agent in np.flatnonzero(result.reached).tolist():
                found[agent].append(int(world.goals[agent]))
        sequences.append(found)
    assert sum(len(goals) for goals in sequences[0]) > 60
    for first, second in zip(*sequences, strict=True):
        common = min(len(first), len(second))
        assert first[:common] == second[:common]


def _towards(world: LifelongGrid, generator: np.random.Generator) -> np.ndarray:
    """A step downhill to the goal for most agents, a random one for the rest."""
    best = generator.integers(5, size=world.n_agents)
    moves = np.array([0, -world.grid.stride, world.grid.stride, -1, 1])
    for agent in np.flatnonzero(generator.random(world.n_agents) < 0.8).tolist():
        steps = world.grid.distances(int(world.goals[agent]))[world.positions[agent] + moves]
        best[agent] = np.argmin(np.where(steps < 0, 10**6, steps))
    return best


def test_the_scenario_of_a_map_gives_starts_and_first_goals_where_it_is_asked_for():
    lettered = GridMap.from_text("a..A\n....\nb..B")
    world = LifelongGrid(lettered, 2, seed=4, starts="map")
    assert _cells(world, world.starts) == [(0, 0), (2, 0)]
    assert _cells(world, world.goals) == [(0, 3), (2, 3)]
    own = LifelongGrid(lettered, 1, starts="map", goals=[[1, 1]])
    assert (_cells(own, own.starts), _cells(own, own.goals)) == ([(0, 0)], [(1, 1)])
    drawn, plain = LifelongGrid(lettered, 2, starts="random"), GridMap.from_text("....\n" * 3)
    assert drawn.starts.tolist() == LifelongGrid(lettered, 2).starts.tolist()
    assert drawn.starts.tolist() == LifelongGrid(plain, 2).starts.tolist()
    with pytest.raises(InputError, match="names starts and goals of 2 agents, got 3 agents; take at most 2"):
        LifelongGrid(lettered, 3, starts="map")
    with pytest.raises(InputError, match="starts 'map' need a map that names starts and goals"):
        LifelongGrid(plain, 2, starts="map")
    with pytest.raises(UnknownNameError, match="starts 'maps' does not exist; close names: 'map'"):
        LifelongGrid(plain, 2, starts="maps")


def test_goals_lie_in_reach_on_allowed_cells_and_starts_too():
    text = "@@$.#$!.\n$.@!#.$@\n"
    map = GridMap.from_text(text)
    for seed in range(20):
        world = LifelongGrid(map, 5, seed=seed, obs_radius=2)
        parts = world.grid.components()
        assert np.array_equal(parts[world.starts], parts[world.goals])
        assert all(map.starts[cell] for cell in _cells(world, world.starts))
        assert len(set(world.starts.tolist())) == 5
        for _ in range(60):
            world.step(_towards(world, np.random.default_rng(seed)))
            assert all(map.goals[cell] for cell in _cells(world, world.goals))
            assert np.array_equal(parts[world.starts], parts[world.goals])


def test_every_goal_in_reach_is_drawn_about_equally_often():
    world = LifelongGrid(GridMap.from_text("...#....."), 1, starts=[[0, 1]], obs_radius=1)
    counts = np.zeros(9, dtype=int)
    for _ in range(3000):
        step = int(np.sign(world.goals[0] - world.positions[0]))
        if world.step([{-1: 3, 1: 4, 0: 0}[step]]).reached[0]:
            counts[_cells(world, world.goals)[0][1]] += 1
    assert counts[3:].sum() == 0
    assert counts[:3].min() > 0.9 * counts.sum() / 3  # each of the two other cells is as likely as the other


def test_a_step_counts_goals_and_gives_new_ones():
    world = _world([[0, 0], [4, 4]], [[0, 1], [0, 0]], horizon=3)
    assert world.throughput == 0.0
    first, goals, positions = world.step([4, 0]), world.goals, world.positions
    assert first.reached.tolist() == [True, False]
    assert (first.done, world.steps, world.reached_total.tolist()) == (False, 1, [1, 0])
    assert goals[0] != positions[0]
    assert _cells(world, goals)[1] == (0, 0)
    second = world.step([0, 1])
    assert second.reached.tolist() == [False, False]
    assert np.array_equal(world.goals, goals)
    assert _cells(world, positions) == [(0, 1), (4, 4)]  # what was read stays as it was
    assert world.step([0, 0]).done
    assert world.throughput == pytest.approx(1 / 3)
    for array in (world.positions, world.goals, world.starts, world.occupied()):
        assert not array.flags.writeable


def test_reset_repeats_an_episode_and_another_seed_makes_another():
    map = random_map(12, 12, seed=1)
    world, fresh = LifelongGrid(map, 10, seed=4), LifelongGrid(map, 10, seed=9)
    actions = np.random.default_rng(0).integers(5, size=(60, 10))

    def episode():
        return [
            (world.step(row).reached.tolist(), world.positions.tolist(), world.goals.tolist())
            for row in actions
        ]

    first = episode()
    world.reset()
    assert (world.steps, world.reached_total.sum()) == (0, 0)
    assert episode() == first
    world.reset(9)
    assert world.seed == 9
    assert np.array_equal(world.starts, fresh.starts)
    assert np.array_equal(world.goals, fresh.goals)
    assert episode() != first


# ------------------------------------------------------------------------------------------------------ observations


@given(st.integers(1, 4), st.integers(0, 10**6), st.sampled_from(["open", "wall"]))
@settings(max_examples=30)
def test_views_are_the_squares_around_the_agents(radius, seed, outside):
    map = random_map(9, 8, density=0.2, seed=seed)
    world = LifelongGrid(map, 6, seed=seed, obs_radius=radius, outside=outside)
    for row in np.random.default_rng(seed).integers(5, size=(6, 6)):
        world.step(row)
    seen = world.observe()
    walls = np.pad(~map.free, 1, constant_values=True)
    walls = np.pad(walls, radius - 1, constant_values=outside == "wall")
    cells = np.array(_cells(world, world.positions))
    standing = np.zeros_like(walls)
    standing[tuple((cells + radius).T)] = True
    for agent, (row, column) in enumerate(cells.tolist()):
        window = np.s_[row : row + 2 * radius + 1, column : column + 2 * radius + 1]
        assert np.array_equal(seen.obstacles[agent], walls[window])
        assert np.array_equal(seen.agents[agent], standing[window])
        assert seen.agents[agent, radius, radius] == 1
    assert np.array_equal(seen.goal_offset, np.array(_cells(world, world.goals)) - cells)
    assert np.array_equal(seen.position, cells - np.array(_cells(world, world.starts)))
    assert seen.obstacles.dtype == seen.agents.dtype == np.uint8
    assert seen.goal_offset.dtype == seen.position.dtype == np.int32


# -------------------------------------------------------------------------------------------------------- bad input


def test_places_that_do_not_fit_are_named():
    two = GridMap.from_text("..#..\n..#..")
    marked = GridMap.from_text("@" * 80 + "$" * 200)
    with pytest.raises(InputError, match="97 agents but only 80 free start cells"):
        LifelongGrid(marked, 97)
    with pytest.raises(
        InputError, match="5 agents but only 4 free start cells; each agent takes a start and a goal"
    ):
        LifelongGrid(two, 5)
    starts = [[0, 0], [0, 1], [1, 0], [1, 1], [0, 3], [0, 4]]
    goals = [[0, 1], [0, 0], [0, 0], [0, 0], [1, 3], [1, 1]]
    with pytest.raises(InputError, match=r"goal \(1,1\) of agent 5 lies in another component than its start"):
        LifelongGrid(two, 6, starts=starts, goals=goals)
    with pytest.raises(InputError, match=r"start \(0,2\) of agent 1 is a wall"):
        LifelongGrid(two, 2, starts=[[0, 0], [0, 2]])
    with pytest.raises(InputError, match=r"goal \(1,2\) of agent 0 is a wall"):
        LifelongGrid(two, 1, goals=[[1, 2]])
    with pytest.raises(InputError, match=r"agents 0 and 2 both start at \(0,0\)"):
        LifelongGrid(two, 3, starts=[[0, 0], [0, 1], [0, 0]])
    with pytest.raises(
        InputError, match=r"start \(0,0\) of agent 0 reaches 1 goal cells, at least 2 are needed"
    ):
        LifelongGrid(GridMap.from_text(".#..."), 1, starts=[[0, 0]])
    with pytest.raises(
        InputError, match=r"starts must be integers of shape \(2, 2\), got int64 of shape \(1, 2\)"
    ):
        LifelongGrid(two, 2, starts=np.array([[0, 0]]))
    with pytest.raises(InputError, match=r"cell \(2, 0\) is outside the map"):
        LifelongGrid(two, 1, starts=[[2, 0]])


def test_bad_actions_are_named_and_move_no_one():
    world = _world([[0, 0], [1, 1]])
    for value in (5, -1):
        with pytest.raises(InputError, match=f"actions must be 0 to 4, got {value} for agent 1"):
            world.step([4, value])
    with pytest.raises(
        InputError, match=r"actions must be integers of shape \(2,\), got float64 of shape \(2,\)"
    ):
        world.step([1.0, 2.0])
    with pytest.raises(InputError, match=r"got int64 of shape \(3,\)"):
        world.step(np.array([0, 0, 0]))
    assert (_cells(world, world.positions), world.steps) == ([(0, 0), (1, 1)], 0)


def test_bad_options_are_named():
    with pytest.raises(UnknownNameError, match="collision 'sof' does not exist; close names: 'soft'"):
        LifelongGrid(OPEN, 1, collision="sof")
    with pytest.raises(UnknownNameError, match="outside 'free' does not exist"):
        LifelongGrid(OPEN, 1, outside="free")
    for name, value, limit in (
        ("n_agents", 0, "at least 1"),
        ("obs_radius", 129, "1 to 128"),
        ("horizon", 0, "at least 1"),
    ):
        with pytest.raises(InputError, match=f"{name} must be a whole number, {limit}, got {value}"):
            LifelongGrid(OPEN, **{"n_agents": 1, name: value})
    with pytest.raises(InputError, match="seed must be an integer"):
        LifelongGrid(OPEN, 1, seed=-1)
