"""Every reader gives the same items by any slices, and names file and place of what is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hodology.data import open_dataset
from hodology.data.digits import load_digits_split
from hodology.data.images import encode_png, natural_key, thumbnail_uri
from hodology.errors import FileFormatError, InputError, UnavailableError, UnknownNameError


def _png(value, size=(5, 4)):
    return encode_png(np.full((*size, 3), value, dtype=np.uint8))


@pytest.fixture
def folder(tmp_path):
    pytest.importorskip("PIL", reason="needs the hf extra")
    for name, value in (
        ("cat/img10.png", 10),
        ("cat/img2.png", 2),
        ("dog/a.png", 100),
        ("cat/.hidden.png", 0),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(_png(value))
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    return tmp_path


def test_digits_are_split_by_class_without_overlap():
    split = load_digits_split(seed=3)
    assert split.train_images.shape == (1078, 1, 8, 8)
    assert split.test_images.shape == (719, 1, 8, 8)
    assert 0 <= split.train_images.min() < split.train_images.max() == 1.0
    shares = [np.bincount(labels) / len(labels) for labels in (split.train_labels, split.test_labels)]
    np.testing.assert_allclose(*shares, atol=0.003)
    both = np.concatenate([split.train_images, split.test_images]).reshape(1797, -1)
    assert len(np.unique(both, axis=0)) > 1790  # the set itself holds a few equal scans
    assert split.fingerprint == load_digits_split(seed=3).fingerprint != load_digits_split(seed=4).fingerprint
    with pytest.raises(InputError, match="train_share must lie between 0 and 1"):
        load_digits_split(train_share=1.0)


def test_class_folders_give_labels_in_natural_order(folder):
    data = open_dataset(str(folder))
    assert data.class_names == ("cat", "dog")
    items = data.items(0, 10)
    assert [(i.id, i.label, i.content.getpixel((0, 0))[0]) for i in items] == [
        ("cat/img2.png", 0, 2),
        ("cat/img10.png", 0, 10),
        ("dog/a.png", 1, 100),
    ]
    assert [i.id for k in range(3) for i in data.items(k, k + 1)] == [i.id for i in items]
    before = data.fingerprint
    (folder / "dog" / "a.png").write_bytes(_png(101))
    assert open_dataset(str(folder)).fingerprint != before


def test_flat_folders_have_no_labels_and_mixed_ones_are_refused(folder):
    assert open_dataset(str(folder / "cat")).items(0, 1)[0].label is None
    (folder / "loose.png").write_bytes(_png(1))
    with pytest.raises(InputError, match="mixes class sub-folders and loose images"):
        open_dataset(str(folder))


def test_broken_images_are_named(folder):
    (folder / "dog" / "a.png").write_bytes(_png(1)[:40])
    with pytest.raises(FileFormatError, match=r"dog/a.png is not a readable image"):
        open_dataset(str(folder)).items(0, 3)
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="holds no image"):
        open_dataset(str(folder / "empty"))


def test_turned_and_grey_images_come_upright_in_colour(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="needs the hf extra")
    picture = image.new("L", (6, 3), 50)
    exif = picture.getexif()
    exif[0x0112] = 6  # turned by a quarter
    picture.save(tmp_path / "a.jpg", exif=exif)
    content = open_dataset(str(tmp_path)).items(0, 1)[0].content
    assert (content.mode, content.size) == ("RGB", (3, 6))


def test_text_files_are_read_by_line(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("first\n\n  \nsecond ünit\n", encoding="utf-8")
    data = open_dataset(str(file))
    assert [(i.id, i.content, i.label) for i in data.items(0, 5)] == [
        ("a.txt:1", "first", None),
        ("a.txt:4", "second ünit", None),
    ]
    file.write_bytes(b"good\n\xff\xfe\n")
    with pytest.raises(FileFormatError, match="line 2: not UTF-8"):
        open_dataset(str(file)).items(0, 2)
    file.write_text("\n\n")
    with pytest.raises(InputError, match="holds no example"):
        open_dataset(str(file))


def test_json_lines_take_named_and_numbered_labels(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "x", "label": "spam"}\n{"sentence": "y", "label": "ham", "id": "k"}\n')
    data = open_dataset(str(file))
    assert data.class_names == ("ham", "spam")
    assert [(i.id, i.content, i.label) for i in data.items(0, 2)] == [("a.jsonl:1", "x", 1), ("k", "y", 0)]
    file.write_text('{"body": "x", "y": 3}\n')
    assert open_dataset(str(file), text_column="body", label_column="y").items(0, 1)[0].label == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not valid JSON"),
        ("[1]", "line 2: must be an object"),
        ('{"label": 1}', "line 2: needs a text under one of"),
        ('{"text": "x", "label": 1.5}', "line 2: label must be an integer or a name"),
    ],
)
def test_wrong_json_lines_are_named(tmp_path, line, message):
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "x"}\n' + line)
    with pytest.raises(FileFormatError, match=message):
        open_dataset(str(file)).items(0, 2)


def _table():
    arrow = pytest.importorskip("pyarrow", reason="needs the hf extra")
    images = [{"bytes": _png(v), "path": f"{v}.png"} for v in range(5)]
    features = {"label": {"names": ["a", "b"], "_type": "ClassLabel"}}
    meta = {"huggingface": json.dumps({"info": {"features": features}})}
    return arrow.table(
        {"image": images, "label": [0, 1, 0, 1, 0], "caption": list("vwxyz")}
    ).replace_schema_metadata(meta)


def test_parquet_and_arrow_files_in_the_hubs_layout(tmp_path):
    table = _table()
    import pyarrow.feather
    import pyarrow.ipc
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    pyarrow.feather.write_feather(table, str(tmp_path / "a.feather"))
    with pyarrow.ipc.new_stream(str(tmp_path / "a.arrow"), table.schema) as writer:
        writer.write_table(table)
    for name in ("a.parquet", "a.feather", "a.arrow"):
        data = open_dataset(str(tmp_path / name))
        assert (len(data), data.kind, data.class_names) == (5, "image", ("a", "b"))
        assert [(i.id, i.label, i.content.getpixel((0, 0))[0]) for i in data.items(1, 4)] == [
            ("1.png", 1, 1),
            ("2.png", 0, 2),
            ("3.png", 1, 3),
        ]
    texts = open_dataset(str(tmp_path / "a.parquet"), text_column="caption")
    assert [i.content for i in texts.items(3, 9)] == ["y", "z"]
    with pytest.raises(UnknownNameError, match="close names: 'caption'"):
        open_dataset(str(tmp_path / "a.parquet"), text_column="captions")


def test_damaged_tables_are_explained(tmp_path):
    pytest.importorskip("pyarrow", reason="needs the hf extra")
    import pyarrow
    import pyarrow.parquet

    for name in ("a.parquet", "a.arrow"):
        (tmp_path / name).write_bytes(b"not what it says")
        with pytest.raises(FileFormatError, match="not a readable Parquet or Arrow file"):
            open_dataset(str(tmp_path / name))
    pyarrow.parquet.write_table(pyarrow.table({"x": [1.0]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"no column of images or text; its columns are \['x'\]"):
        open_dataset(str(tmp_path / "b.parquet"))
    broken = pyarrow.table({"image": [{"bytes": b"no image", "path": "p"}]})
    pyarrow.parquet.write_table(broken, tmp_path / "c.parquet")
    with pytest.raises(FileFormatError, match="row 0 is not a readable image"):
        open_dataset(str(tmp_path / "c.parquet")).items(0, 1)


def test_saved_hub_folders_are_opened(tmp_path):
    datasets = pytest.importorskip("datasets", reason="needs the hf extra")
    labels = datasets.ClassLabel(names=["ham", "spam"])
    features = datasets.Features({"text": datasets.Value("string"), "label": labels})
    datasets.Dataset.from_dict({"text": ["x", "y"], "label": [1, 0]}, features=features).save_to_disk(
        tmp_path / "d"
    )
    data = open_dataset(str(tmp_path / "d"))
    assert (data.kind, data.class_names) == ("text", ("ham", "spam"))
    assert [(i.content, i.label) for i in data.items(0, 2)] == [("x", 1), ("y", 0)]


def test_a_hub_id_without_network_says_what_to_do():
    pytest.importorskip("datasets", reason="needs the hf extra")
    with pytest.raises(UnavailableError, match="set HF_HOME to its cache, or pass a folder or file"):
        open_dataset("nobody/nothing-here")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/folder/x.parquet", "accepted are a folder of images"),
        ("a.csv", "has type .csv; accepted are"),
    ],
)
def test_unknown_data_are_explained(tmp_path, name, message):
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(InputError, match=message):
        open_dataset(str(tmp_path / name))


def test_png_files_decode_to_the_same_pixels():
    image = pytest.importorskip("PIL.Image", reason="needs the hf extra")
    import io

    for shape in ((7, 3), (4, 6, 3)):
        pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        np.testing.assert_array_equal(np.asarray(image.open(io.BytesIO(encode_png(pixels)))), pixels)
    with pytest.raises(InputError, match="pixels must be uint8"):
        encode_png(np.zeros((2, 2)))


def test_thumbnails_are_made_of_images_alone():
    assert thumbnail_uri(np.zeros((1, 8, 8), dtype=np.float32)).startswith("data:image/png;base64,")
    assert thumbnail_uri("words") is None
    assert thumbnail_uri(np.zeros(5)) is None
    assert thumbnail_uri(np.zeros((7, 8, 9))) is None


def test_natural_order():
    assert sorted(["b1", "a10", "a9", "a", "10", "9"], key=natural_key) == ["9", "10", "a", "a9", "a10", "b1"]


def test_deep_greys_are_scaled_and_transparency_lies_on_white(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="needs the hf extra")
    folder = tmp_path / "images"
    folder.mkdir()
    ramp = np.linspace(0, 65535, 16).reshape(4, 4)
    image.fromarray(ramp.astype(np.uint16)).save(folder / "1.png")
    image.fromarray((ramp / 65535).astype(np.float32)).save(folder / "2.tiff")
    image.fromarray(np.zeros((4, 4, 4), dtype=np.uint8), mode="RGBA").save(folder / "3.png")
    deep, floating, clear = (np.asarray(i.content) for i in open_dataset(str(folder)).items(0, 3))
    expected = np.rint(ramp / 65535 * 255)
    for found in (deep, floating):
        assert np.abs(found[:, :, 0] - expected).max() <= 1
    assert (clear == 255).all()
    image.fromarray(np.full((4, 4), 300.0, dtype=np.float32)).save(folder / "2.tiff")
    with pytest.raises(
        FileFormatError, match=r"2\.tiff is not a readable image: values of mode F must lie from 0 to 1"
    ):
        open_dataset(str(folder)).items(1, 2)


def test_labels_of_a_table_may_be_names_and_never_fractions(tmp_path):
    pytest.importorskip("pyarrow", reason="needs the hf extra")
    import pyarrow.parquet

    texts = ["a", "b", "c"]
    pyarrow.parquet.write_table(
        pyarrow.table({"text": texts, "label": ["owl", None, "cat"]}),
        tmp_path / "a.parquet",
        row_group_size=2,
    )
    found = open_dataset(str(tmp_path / "a.parquet"))
    assert found.class_names == ("cat", "owl")
    assert [item.label for item in found.items(0, 3)] == [1, None, 0]
    pyarrow.parquet.write_table(
        pyarrow.table({"text": texts, "label": [1.0, 4.5, 2.0]}), tmp_path / "b.parquet"
    )
    with pytest.raises(FileFormatError, match=r"row 0: label must be an integer or a name, got 1\.0"):
        open_dataset(str(tmp_path / "b.parquet")).items(0, 3)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + b'{"text": "hi"}\n')
    assert open_dataset(str(tmp_path / "a.jsonl")).items(0, 1)[0].content == "hi"
