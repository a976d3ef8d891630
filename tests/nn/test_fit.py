"""Training is deterministic, resumes to the bit, and leaves global random state alone."""

from __future__ import annotations

import pytest
import torch

from hodology.errors import FileFormatError, InputError
from hodology.nn.fit import cached_model, fit
from hodology.nn.models import VisionTransformer

SHAPE = {"image_size": 8, "patch_size": 4, "depth": 1, "width": 8, "heads": 2, "hidden": 8, "classes": 3}


def _data():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(40, 1, 8, 8, generator=generator)
    return x, (x.mean(dim=(1, 2, 3)) > 0.5).long()


def _model():
    return VisionTransformer(**SHAPE, dropout=0.1, rng=1)


def _same(a, b):
    return all(
        torch.equal(p, q) for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_the_same_seed_gives_the_same_weights_and_leaves_global_state():
    x, y = _data()
    models = [_model(), _model()]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    results = [fit(m, x, y, epochs=3, batch_size=16, rng=4) for m in models]
    assert _same(*models)
    assert results[0].losses == results[1].losses
    assert torch.equal(torch.get_rng_state(), before)


def test_an_interrupted_run_ends_in_the_same_weights(tmp_path):
    x, y = _data()
    whole, parts = _model(), _model()
    expected = fit(whole, x, y, epochs=5, batch_size=16, rng=4)

    def stop(done, epochs, loss):
        if done == 2:
            raise KeyboardInterrupt

    file = tmp_path / "part.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fit(parts, x, y, epochs=5, batch_size=16, rng=4, checkpoint=file, on_epoch=stop)
    again = _model()
    found = fit(again, x, y, epochs=5, batch_size=16, rng=4, checkpoint=file)
    assert found.losses == pytest.approx(expected.losses, abs=0)
    assert _same(whole, again)


def test_early_stopping_stops_and_says_so():
    x, y = _data()
    result = fit(_model(), x, y, epochs=30, learning_rate=1e-9, validation=(x, y), patience=2)
    assert result.stopped_early
    assert result.epochs == 3


def test_the_cache_keeps_and_repairs(tmp_path, monkeypatch):
    monkeypatch.setenv("HODOLOGY_HOME", str(tmp_path))
    x, y = _data()
    trained = []

    def train(model, checkpoint):
        trained.append(1)
        return fit(model, x, y, epochs=1, checkpoint=checkpoint)

    first, result = cached_model(_model, train, key={"name": "m", "seed": 0})
    second, again = cached_model(_model, train, key={"name": "m", "seed": 0})
    assert len(trained) == 1
    assert _same(first, second)
    assert result == again
    file = next((tmp_path / "cache" / "models").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:100])
    third, _ = cached_model(_model, train, key={"name": "m", "seed": 0})
    assert len(trained) == 2
    assert _same(first, third)
    cached_model(_model, train, key={"name": "m", "seed": 1})
    assert len(trained) == 3


def test_bad_input_is_explained(tmp_path):
    x, y = _data()
    with pytest.raises(InputError, match="same number of rows, at least one, got 40 and 3"):
        fit(_model(), x, y[:3])
    with pytest.raises(InputError, match="patience needs validation data"):
        fit(_model(), x, y, patience=1)
    with pytest.raises(InputError, match="lower the learning rate"):
        fit(_model(), x * 1e30, y, epochs=1, learning_rate=1e30, batch_size=4)
    file = tmp_path / "c.safetensors"
    file.write_bytes(b"nothing of use")
    with pytest.raises(FileFormatError, match="cannot be used for this model"):
        fit(_model(), x, y, checkpoint=file)


def test_model_shapes_must_divide():
    with pytest.raises(InputError, match="must divide image_size"):
        VisionTransformer(image_size=9, patch_size=2)
    with pytest.raises(InputError, match="pool must be"):
        VisionTransformer(pool="max")
