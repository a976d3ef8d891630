"""The embedded follower: kept by what it was trained on, trained again when its file is damaged."""

from __future__ import annotations

import pytest
import torch

from hodology.files import cache_dir
from hodology.planning import trained_follower as module
from hodology.planning.trained_follower import trained_follower


def test_a_second_call_reads_the_file_and_a_damaged_one_is_made_again(monkeypatch, tmp_path):
    monkeypatch.setenv("HODOLOGY_HOME", str(tmp_path))
    first = trained_follower(seed=3, steps=2000)
    file = next((cache_dir() / "models").glob("follower-lite-*.npz"))
    calls = []
    train = module.train_short
    monkeypatch.setattr(module, "train_short", lambda **options: calls.append(options) or train(**options))
    again = trained_follower(seed=3, steps=2000)
    assert calls == []
    file.write_bytes(file.read_bytes()[:200])
    made = trained_follower(seed=3, steps=2000)
    assert len(calls) == 1
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
        assert torch.equal(value, made.state_dict()[name])
    other = trained_follower(seed=4, steps=2000)
    assert not torch.equal(other.policy.weight, first.policy.weight)


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_EVERY", 1)
    monkeypatch.setenv("HODOLOGY_HOME", str(tmp_path / "whole"))
    rows = []
    whole = trained_follower(seed=5, steps=15_000, on_update=rows.append)
    assert len(rows) >= 3
    monkeypatch.setenv("HODOLOGY_HOME", str(tmp_path / "stopped"))

    def stop(row):
        if row.steps == rows[1].steps:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained_follower(seed=5, steps=15_000, on_update=stop)
    later = []
    resumed = trained_follower(seed=5, steps=15_000, on_update=later.append)
    assert [row.steps for row in later] == [row.steps for row in rows[2:]]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])
    assert [file.suffix for file in (cache_dir() / "models").iterdir()] == [".npz"]


def test_a_damaged_checkpoint_is_trained_over(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_EVERY", 1)
    monkeypatch.setenv("HODOLOGY_HOME", str(tmp_path))

    def stop(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained_follower(seed=3, steps=2000, on_update=stop)
    file = next((cache_dir() / "models").glob("*.training/*.safetensors"))
    file.write_bytes(file.read_bytes()[:100])
    rows = []
    trained_follower(seed=3, steps=2000, on_update=rows.append)
    assert rows
    assert not file.parent.exists()
