"""The folder of a run: taken when empty or of the same kind, refused otherwise."""

from __future__ import annotations

import pytest

from hodology.errors import InputError
from hodology.files import read_json, write_json
from hodology.work import claim_folder


def test_a_folder_is_made_and_says_what_it_is(tmp_path):
    store = claim_folder(tmp_path / "new", "swarm", what="swarm run", manifest={"seed": 3}, resume=True)
    store.save("a", b"data")
    assert read_json(tmp_path / "new" / "manifest.json") == {"format": 1, "kind": "swarm", "seed": 3}
    again = claim_folder(tmp_path / "new", "swarm", what="swarm run", manifest={"seed": 4}, resume=True)
    assert again.load("a") == b"data"


def test_other_folders_are_refused_with_what_they_are(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="is a file; --out must be a folder"):
        claim_folder(file, "swarm", what="swarm run", manifest={}, resume=True)
    other = tmp_path / "other"
    other.mkdir()
    write_json(other / "manifest.json", {"kind": "causal"})
    with pytest.raises(InputError, match="is not empty and holds no swarm run; choose another --out"):
        claim_folder(other, "swarm", what="swarm run", manifest={}, resume=True)
    claim_folder(tmp_path / "own", "swarm", what="swarm run", manifest={}, resume=True)
    with pytest.raises(InputError, match="holds a run already; choose another --out"):
        claim_folder(tmp_path / "own", "swarm", what="swarm run", manifest={}, resume=False)
