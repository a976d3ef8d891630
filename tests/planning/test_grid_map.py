"""Maps of grid worlds: every format read and refused, round trips, generators."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodology.errors import FileFormatError, InputError, UnknownNameError
from hodology.graph.grid import Grid
from hodology.planning.grid_generators import maze_map, random_map, rooms_map, warehouse_map
from hodology.planning.grid_map import GridMap, read_map, read_maps

TEXT = ".#@\n$!.\n"
TEXTS = st.integers(1, 6).flatmap(
    lambda width: st.lists(st.text(".#@$!", min_size=width, max_size=width), min_size=1, max_size=6)
)


def _write(folder, name, text):
    file = folder / name
    file.write_text(text)
    return file


# ------------------------------------------------------------------------------------------------------- characters


def test_the_characters_mean_what_they_say():
    found = GridMap.from_text(TEXT, name="small")
    assert found.free.tolist() == [[True, False, True], [True, True, True]]
    assert found.starts.tolist() == [[True, False, True], [False, False, True]]
    assert found.goals.tolist() == [[True, False, False], [True, False, True]]
    assert found.restricted
    assert (found.height, found.width, found.name) == (2, 3, "small")
    assert repr(found) == "GridMap('small', 2 x 3, 5 free cells)"
    assert not found.free.flags.writeable


@given(TEXTS)
def test_text_goes_there_and_back(rows):
    found = GridMap.from_text("\n".join(rows))
    assert found.to_text().split() == rows
    assert GridMap.from_text(found.to_text()).fingerprint() == found.fingerprint()
    assert found.restricted == any(mark in "".join(rows) for mark in "@$!")


@given(TEXTS, TEXTS)
def test_fingerprints_differ_with_the_map_and_not_with_its_name(rows, others):
    first, other = (
        GridMap.from_text("\n".join(rows), name="a"),
        GridMap.from_text("\n".join(others), name="b"),
    )
    assert (first.fingerprint() == other.fingerprint()) == (rows == others)


def test_letters_are_starts_and_goals():
    found = GridMap.from_text("a.B\nA#b")
    assert found.scenario.tolist() == [[[0, 0], [1, 0]], [[1, 2], [0, 2]]]
    assert not found.restricted
    with pytest.raises(InputError, match="needs 'a' and 'A' once each, got 2 and 1"):
        GridMap.from_text("aaA")
    with pytest.raises(InputError, match="needs 'b' and 'B' once each, got 0 and 1"):
        GridMap.from_text("B..")


def test_bad_characters_and_rows_are_named():
    rows = ["." * 20] * 7 + ["." * 19, "." * 20]
    with pytest.raises(InputError, match="map row 7 has 19 cells, expected 20"):
        GridMap.from_text("\n".join(rows))
    with pytest.raises(InputError, match=r"map row 1 has '\?' at column 2; cells are one of"):
        GridMap.from_text("...\n..?")
    with pytest.raises(InputError, match="the map is empty"):
        GridMap.from_text("\n \n")


# ----------------------------------------------------------------------------------------------------------- arrays


def test_arrays_hold_one_where_there_is_a_wall():
    found = GridMap.from_array([[0, 1, 0]])
    assert found.free.tolist() == [[True, False, True]]
    assert not found.restricted
    assert GridMap.from_array(np.array([[False, True, False]])).fingerprint() == found.fingerprint()
    with pytest.raises(InputError, match=r"must hold 0 \(free\) and 1 \(wall\), got 2 at \(0, 1\)"):
        GridMap.from_array([[0, 2]])
    with pytest.raises(InputError, match="in shape"):
        GridMap.from_array([0, 1])
    with pytest.raises(InputError, match="1 to 10000000 cells, got 10004000"):
        GridMap.from_array(np.zeros((2501, 4000), dtype=np.uint8))


def test_marks_must_lie_on_free_cells_of_the_same_shape():
    free = np.array([[True, False]])
    with pytest.raises(InputError, match=r"goals holds \(0,1\), which is no free cell"):
        GridMap(free, free, ~free)
    with pytest.raises(InputError, match="starts must be boolean"):
        GridMap(free, free.astype(int), free)
    with pytest.raises(InputError, match=r"goal \(0,1\) of agent 0 is no free cell"):
        GridMap(free, free, free, scenario=np.array([[[0, 0], [0, 1]]]))
    with pytest.raises(InputError, match=r"scenario must have shape \(agents, 2, 2\)"):
        GridMap(free, free, free, scenario=np.array([[0, 0]]))


# ------------------------------------------------------------------------------------------------------------ files


def test_yaml_blocks_are_maps(tmp_path):
    text = (
        "# two maps\n---\nfirst-one: |-\n  ..#\n  @$!\n\n'2nd': |\n  ..\n\"third\" : |-  # quoted\n    #.\n"
    )
    maps = read_maps(_write(tmp_path, "maps.yaml", text))
    assert {name: m.to_text().split() for name, m in maps.items()} == {
        "first-one": ["..#", "@$!"],
        "2nd": [".."],
        "third": ["#."],
    }
    assert maps["first-one"].name == "first-one"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: |-\n  ..\nb: [1, 2]\n", r"maps\.yaml, line 3: expected 'name: \|-', got 'b: \[1, 2\]'"),
        ("a: |-\n  ..\na: |-\n  ..\n", r"line 3: map 'a' comes twice, first on line 1"),
        ("  ..\n", r"line 1: an indented line before any 'name: \|-'"),
        ("a: |-\n  ..\n  .\n", r"map 'a' from line 1: map row 1 has 1 cells, expected 2"),
        ("a: |-\nb: |-\n  ..\n", r"map 'a' from line 1: the map is empty"),
        ("", r"holds no map"),
        ("a: &x |-\n  ..\n", r"line 1: expected 'name: \|-'"),
    ],
)
def test_other_yaml_is_refused_by_line(tmp_path, text, message):
    with pytest.raises(FileFormatError, match=message):
        read_maps(_write(tmp_path, "maps.yaml", text))


def test_one_of_several_maps_needs_its_name(tmp_path):
    file = _write(tmp_path, "maps.yml", "maze-1: |-\n  ..\nmaze-2: |-\n  ...\n")
    assert read_map(file, "maze-2").width == 3
    with pytest.raises(UnknownNameError, match="holds 2 maps, so a name is needed: 'maze-1', 'maze-2'"):
        read_map(file)
    with pytest.raises(UnknownNameError, match="has no map 'maze-3'; close names: 'maze-"):
        read_map(file, "maze-3")


def test_plain_text_and_arrays_are_named_by_their_file(tmp_path):
    assert read_map(_write(tmp_path, "hall.txt", TEXT)).name == "hall"
    np.save(tmp_path / "grid.npy", np.array([[0, 1]]))
    assert read_map(tmp_path / "grid.npy").to_text() == ".#\n"
    np.save(tmp_path / "bad.npy", np.array([[0, 7]]))
    with pytest.raises(FileFormatError, match=r"bad\.npy: array must hold 0"):
        read_map(tmp_path / "bad.npy")


MOVING_AI = "type octile\nheight 2\nwidth 7\nmap\n.GS@OTW\n.......\n"


def test_moving_ai_maps_and_the_scenario_beside(tmp_path):
    file = _write(tmp_path, "city.map", MOVING_AI)
    assert read_map(file).to_text() == "...####\n.......\n"
    _write(
        tmp_path,
        "city.map.scen",
        "version 1\n0\tcity.map\t7\t2\t0\t0\t2\t1\t3.0\n1\tcity.map\t7\t2\t6\t1\t1\t0\t6\n",
    )
    assert read_map(file).scenario.tolist() == [[[0, 0], [1, 2]], [[1, 6], [0, 1]]]
    _write(tmp_path, "city.scen", "version 1\n0\tcity.map\t7\t2\t3\t0\t2\t1\t3.0\n")
    with pytest.raises(
        FileFormatError, match=r"city\.scen: start \(0,3\) of agent 0 is no free cell of the map"
    ):
        read_map(file)
    _write(tmp_path, "city.scen", "version 1\n0\tcity.map\t9\t2\t3\t0\t2\t1\t3.0\n")
    with pytest.raises(FileFormatError, match=r"city\.scen, line 2: for a map of 2 x 9, this one has 2 x 7"):
        read_map(file)
    _write(tmp_path, "city.scen", "version 1\n0\tcity.map\t7\t2\tx\t0\t2\t1\t3.0\n")
    with pytest.raises(FileFormatError, match=r"line 2: expected bucket, map, width"):
        read_map(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MOVING_AI.replace("height 2", "height 3"), "ends after 2 map rows, expected 3"),
        (MOVING_AI.replace("height 2", "height 1"), "line 6: text after the last of 1 map rows"),
        (MOVING_AI.replace("width 7", "width 8"), "line 5: map row 0 has 7 cells, expected 8"),
        (MOVING_AI.replace("O", "x"), "line 5: map row 0 has 'x' at column 4"),
        (MOVING_AI.replace("width 7\n", ""), "the header needs 'width' and a whole number, got None"),
        (MOVING_AI.replace("map\n", ""), r"line 4: expected type, height, width and map, got '\.GS@OTW'"),
        (
            MOVING_AI.replace("height 2", "height 99999999"),
            "a map of 699999993 cells; 1 to 10000000 are read",
        ),
        ("type octile\nheight 2\n", "has no line 'map' after its header"),
    ],
)
def test_damaged_moving_ai_maps_are_refused_by_line(tmp_path, text, message):
    with pytest.raises(FileFormatError, match=message):
        read_map(_write(tmp_path, "city.map", text))


def test_hostile_files_are_refused(tmp_path):
    with pytest.raises(FileFormatError, match=r"none\.txt cannot be read: No such file"):
        read_map(tmp_path / "none.txt")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileFormatError, match="is not UTF-8 text"):
        read_map(tmp_path / "bytes.txt")
    np.save(tmp_path / "objects.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(FileFormatError, match="cannot be read as .npy without pickle"):
        read_map(tmp_path / "objects.npy")
    whole = (tmp_path / "objects.npy").read_bytes()
    np.save(tmp_path / "large.npy", np.zeros((2, 2), dtype=np.uint8))
    large = (tmp_path / "large.npy").read_bytes().replace(b"(2, 2)", b"(99999, 99999)")
    (tmp_path / "large.npy").write_bytes(_same_header(large))
    with pytest.raises(FileFormatError, match="holds 9999800001 cells, at most 10000000 are read"):
        read_map(tmp_path / "large.npy")
    (tmp_path / "short.npy").write_bytes(whole[:20])
    with pytest.raises(FileFormatError, match="cannot be read as .npy"):
        read_map(tmp_path / "short.npy")


def _same_header(data: bytes) -> bytes:
    """Eight spaces less, so that the header keeps the length it declares."""
    return data.replace(b" " * 8 + b"\n", b"\n") if b" " * 8 + b"\n" in data else data


def test_the_paper_s_maps_are_read(real_data):
    maps = read_maps(real_data / "follower" / "test-maps.yaml")
    assert len(maps) == 57
    assert len(read_maps(real_data / "follower" / "training-maps.yaml")) == 40
    warehouse = maps["wfi_warehouse"]
    assert (warehouse.height, warehouse.width) == (33, 46)
    assert (int(warehouse.starts.sum()), int(warehouse.goals.sum())) == (192, 480)
    assert warehouse.fingerprint() == warehouse_map().fingerprint()


# ------------------------------------------------------------------------------------------------------- generators


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3), st.floats(0, 1), st.integers(0, 10**6))
def test_mazes_and_rooms_are_connected(rows, columns, side, share, seed):
    size = rows * (side + 1) - 1, columns * (side + 1) - 1
    for found in (
        maze_map(*size, corridor=side, loops=share, seed=seed),
        rooms_map(*size, room=side, doors=share, seed=seed),
    ):
        assert Grid(found.free).components().max() == 0
        assert found.free.shape == size


@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 10**6))
def test_a_maze_without_loops_is_a_tree_and_with_all_of_them_is_open(rows, columns, seed):
    tree = maze_map(2 * rows - 1, 2 * columns - 1, loops=0.0, seed=seed).free
    steps = (tree[1:] & tree[:-1]).sum() + (tree[:, 1:] & tree[:, :-1]).sum()
    assert steps == tree.sum() - 1
    assert maze_map(2 * rows - 1, 2 * columns - 1, loops=1.0, seed=seed).free.all()


def test_rooms_have_one_door_where_they_have_any():
    found = rooms_map(23, 31, doors=0.5, seed=4).free
    for column in (7, 15, 23):
        for row in (0, 8, 16):
            assert found[row : row + 7, column].sum() <= 1
    assert rooms_map(23, 31, doors=1.0, seed=4).free[7::8].sum() == 2 * 4


def test_random_maps_have_their_density_and_seeds():
    assert random_map(100, 100, density=0.3, seed=1).free.mean() == pytest.approx(0.7, abs=0.02)
    assert random_map(9, 9, density=0.0).free.all()
    assert not random_map(9, 9, density=1.0).free.any()
    prints = {
        make(15, 15, seed=seed).fingerprint() for make in (random_map, maze_map, rooms_map) for seed in (0, 1)
    }
    assert len(prints) == 6
    assert maze_map(15, 15, seed=1).fingerprint() == maze_map(15, 15, seed=1).fingerprint()


def test_bad_sizes_of_generated_maps_are_named():
    with pytest.raises(
        InputError,
        match="height must be a multiple of 3, less 1, for a corridor of 2; got 66, near it",
    ):
        maze_map(66, 65, corridor=2)
    with pytest.raises(InputError, match="loops must be 0 to 1, got 1.5"):
        maze_map(5, 5, loops=1.5)
    with pytest.raises(InputError, match="density must be 0 to 1, got -1"):
        random_map(5, 5, density=-1)
    with pytest.raises(InputError, match="room must be at least 1, got 0"):
        rooms_map(5, 5, room=0)
    with pytest.raises(InputError, match="shelf_length must be at least 1, got 0"):
        warehouse_map(shelf_length=0)
    with pytest.raises(InputError, match="1 to 10000000 cells, got 0 x 5"):
        random_map(0, 5)
