"""Networks of several seeds on the digits, and the patterns of their layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hodology.data.digits import DigitsSplit, load_digits_split
from hodology.errors import InputError, UnknownNameError
from hodology.files import cache_dir
from hodology.nn.digit_layers import digit_networks, held_out_images, layer_patterns
from hodology.nn.models.deep_cnn import DeepCNN


@pytest.fixture(scope="module")
def split():
    """A tenth of the images, so that an epoch takes no time."""
    whole = load_digits_split(train_share=0.1)
    return DigitsSplit(
        whole.train_images, whole.train_labels, whole.test_images[:300], whole.test_labels[:300]
    )


def test_layers_by_kind_and_what_they_carry(split):
    images = held_out_images(12, split=split)
    (eight,) = digit_networks([3], epochs=0, split=split)
    assert eight.layers == ("conv1", "conv2", "conv3", "conv4", "conv5", "conv6", "fc1", "fc2")
    (seven,) = digit_networks([3], kind="cnn7", epochs=0, split=split)
    assert seven.layers == ("conv1", "conv2", "conv3", "conv4", "conv5", "fc1", "fc2")
    found = layer_patterns(eight, images)
    widths = {name: values.shape for name, values in found.items()}
    assert widths["conv1"] == (12, 16 * 64)
    assert widths["conv3"] == (12, 32 * 16)
    assert widths["conv6"] == (12, 32 * 4)
    assert widths["fc2"] == (12, 10)
    assert all(values.dtype == np.float32 for values in found.values())
    assert all((values >= 0).all() for name, values in found.items() if name != "fc2")
    assert (found["fc2"] < 0).any()


def test_the_last_layer_gives_the_networks_own_scores_and_the_first_is_a_convolution(split):
    images = held_out_images(5, split=split)
    (network,) = digit_networks([1], epochs=0, split=split)
    found = layer_patterns(network, images)
    with torch.no_grad():
        x = torch.from_numpy(images)
        assert np.array_equal(found["fc2"], network.model(x).numpy())
        first = network.model.get_submodule("conv1")(x).relu().flatten(1).numpy()
    assert np.array_equal(found["conv1"], first)
    assert np.array_equal(layer_patterns(network, x)["fc1"], found["fc1"])


def test_seeds_share_images_and_differ_in_weights_and_are_kept(split):
    first = digit_networks([0, 1], epochs=2, split=split)
    files = sorted((cache_dir() / "models").glob("digits-cnn8-*"))
    seen = []
    again = digit_networks([1, 0], epochs=2, split=split, on_network=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 2), (2, 2)]
    assert sorted((cache_dir() / "models").glob("digits-cnn8-*")) == files
    assert len(files) >= 2
    weights = [network.model.state_dict()["conv1.weight"] for network in (*first, *again)]
    assert torch.equal(weights[0], weights[3])
    assert not torch.equal(weights[0], weights[1])
    (other,) = digit_networks([0], epochs=1, split=split)
    assert not torch.equal(other.model.state_dict()["conv1.weight"], weights[0])


def test_no_epochs_are_the_weights_that_training_starts_from(split):
    (untrained,) = digit_networks([5], epochs=0, split=split)
    start = DeepCNN(rng=5).state_dict()
    assert all(torch.equal(value, start[name]) for name, value in untrained.model.state_dict().items())
    (trained,) = digit_networks([5], epochs=8, split=split)
    assert trained.accuracy > 0.3
    assert untrained.accuracy < 0.2
    assert (trained.fit.epochs, untrained.fit.epochs) == (8, 0)
    assert repr(trained).startswith("DigitNetwork(cnn8, seed 5, 8 epochs, accuracy 0.")


def test_held_out_images_are_balanced_and_no_network_was_trained_on_them():
    split = load_digits_split()
    images = held_out_images(63, rng=4)
    training = {image.tobytes() for image in split.train_images}
    labels = {image.tobytes(): label for image, label in zip(split.test_images, split.test_labels)}
    assert not training & {image.tobytes() for image in images}
    counts = np.bincount([labels[image.tobytes()] for image in images])
    assert sorted(counts) == [6] * 7 + [7] * 3
    assert not np.array_equal(images, held_out_images(63, rng=5))


def test_bad_input_is_explained(split):
    with pytest.raises(UnknownNameError, match="kind 'cnn9' does not exist"):
        digit_networks([0], kind="cnn9")
    with pytest.raises(InputError, match=r"seeds must be at least one, each once, got \[1, 1\]"):
        digit_networks([1, 1])
    with pytest.raises(InputError, match="epochs must be 0 or more, got -1"):
        digit_networks([0], epochs=-1)
    with pytest.raises(InputError, match="count must be at least 1, got 0"):
        held_out_images(0)
    with pytest.raises(InputError, match="500 asks 50 of digit"):
        held_out_images(500, split=split)
    (network,) = digit_networks([0], epochs=0, split=split)
    with pytest.raises(InputError, match=r"images must have shape \(stimuli, 1, 8, 8\), got \(3, 8, 8\)"):
        layer_patterns(network, np.zeros((3, 8, 8)))
    with pytest.raises(InputError, match="filters must name at least one convolution"):
        DeepCNN(filters=())
    with pytest.raises(InputError, match=r"pool_after must name convolutions 1 to 2, got \[3\]"):
        DeepCNN(filters=(4, 4), pool_after=(3,))
    with pytest.raises(InputError, match="image_size must divide by 16, got 8"):
        DeepCNN(filters=(4,) * 4, pool_after=(1, 2, 3, 4))
