"""Models are loaded by directory or by file:factory, with their own preprocessing; what fails says why."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from hodology.errors import FileFormatError, InputError, UnavailableError, UnknownNameError
from hodology.nn.load import load_model, model_fingerprint

FACTORY = """
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(12, 4)
    def forward(self, x):
        return self.layer(x.flatten(1))
def build():
    torch.manual_seed(0)
    return Net()
def with_prepare():
    return build(), lambda contents: torch.zeros(len(contents), 12)
def half():
    return build().half()
def broken():
    raise ValueError("no weights here")
def words():
    return "a model"
number = 3
"""


@pytest.fixture
def factory(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(FACTORY)
    return file


def test_a_factory_gives_a_model_with_plain_preprocessing(factory):
    loaded = load_model(f"{factory}:build")
    inputs = loaded.prepare([np.zeros((3, 2, 2)), np.ones((3, 2, 2))])
    assert inputs.dtype == torch.float32
    assert loaded.model(inputs).shape == (2, 4)
    assert load_model(f"{factory}:with_prepare").prepare([1, 2, 3]).shape == (3, 12)
    assert load_model(f"{factory}:half").model.layer.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("net.py:bild", UnknownNameError, "close names: 'build'"),
        ("net.py:number", InputError, "must be a function, got int"),
        ("net.py:broken", InputError, "failed: ValueError: no weights here"),
        ("net.py:words", InputError, r"must return an nn.Module or \(nn.Module, prepare\), got str"),
        ("net.py", InputError, "must name a function"),
        ("other.py:build", InputError, "does not exist"),
    ],
)
def test_a_wrong_factory_is_explained(factory, name, error, message):
    with pytest.raises(error, match=message):
        load_model(str(factory.parent / name))


def test_images_of_two_sizes_need_a_prepare_function(factory):
    with pytest.raises(InputError, match="must have one size"):
        load_model(f"{factory}:build").prepare([np.zeros((1, 2, 2)), np.zeros((1, 3, 3))])
    with pytest.raises(InputError, match="no preprocessing for texts"):
        load_model(f"{factory}:build").prepare(["words"])


def test_unknown_models_and_devices_are_explained(factory):
    with pytest.raises(InputError, match="accepted are a Hugging Face directory or hub id"):
        load_model("no/such/folder/of/mine")
    with pytest.raises(InputError, match="device 'warp' cannot be used here"):
        load_model(f"{factory}:build", device="warp")


def test_the_fingerprint_follows_the_weights(factory):
    a, b = load_model(f"{factory}:build").model, load_model(f"{factory}:build").model
    assert model_fingerprint(a) == model_fingerprint(b)
    with torch.no_grad():
        b.layer.bias[0] += 1e-6
    assert model_fingerprint(a) != model_fingerprint(b)


@pytest.fixture
def vit_folder(tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        image_size=8,
        patch_size=4,
        id2label={0: "cat", 1: "dog", 2: "owl"},
        label2id={"cat": 0, "dog": 1, "owl": 2},
    )
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path / "vit")
    processor = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": 8, "width": 8},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.1, 0.2, 0.3],
        "image_std": [0.5, 0.25, 1.0],
        "resample": 2,
    }
    (tmp_path / "vit" / "preprocessor_config.json").write_text(json.dumps(processor))
    return tmp_path / "vit"


def test_an_image_classifier_brings_its_own_normalisation(vit_folder):
    image = pytest.importorskip("PIL.Image", reason="needs the hf extra")
    loaded = load_model(str(vit_folder))
    assert loaded.class_names == ("cat", "dog", "owl")
    grey = image.fromarray(np.full((8, 8, 3), 51, dtype=np.uint8))
    pixels = loaded.prepare([grey])["pixel_values"]
    expected = (0.2 - torch.tensor([0.1, 0.2, 0.3])) / torch.tensor([0.5, 0.25, 1.0])
    assert torch.allclose(pixels[0, :, 0, 0], expected, atol=1e-6)
    with pytest.raises(InputError, match="takes images, the data are texts"):
        loaded.prepare(["a text"])


def test_without_a_processor_file_the_default_is_announced(vit_folder):
    (vit_folder / "preprocessor_config.json").unlink()
    with pytest.warns(UserWarning, match="has no preprocessor_config.json: images are resized to 8"):
        load_model(str(vit_folder))


def test_half_precision_checkpoints_are_computed_in_float32(vit_folder):
    transformers = pytest.importorskip("transformers")
    model = transformers.ViTForImageClassification.from_pretrained(vit_folder).half()
    model.save_pretrained(vit_folder)
    assert {p.dtype for p in load_model(str(vit_folder)).model.parameters()} == {torch.float32}


def test_damaged_directories_are_explained(vit_folder):
    weights = vit_folder / "model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[: len(data) // 2])
    with pytest.raises(FileFormatError, match="damaged weights|cannot be loaded"):
        load_model(str(vit_folder))
    (vit_folder / "config.json").write_text("{")
    with pytest.raises(FileFormatError, match="not valid JSON"):
        load_model(str(vit_folder))
    (vit_folder / "config.json").unlink()
    with pytest.raises(FileFormatError, match="has no config.json"):
        load_model(str(vit_folder))


def test_other_architectures_are_refused(vit_folder):
    config = json.loads((vit_folder / "config.json").read_text())
    config["architectures"] = ["ViTModel"]
    (vit_folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="accepted are image classifiers"):
        load_model(str(vit_folder))


def test_a_hub_id_without_network_says_what_to_do():
    pytest.importorskip("transformers", reason="needs the hf extra")
    with pytest.raises(UnavailableError, match="set HF_HOME to its cache, or pass a local directory"):
        load_model("nobody/nothing-here")


def test_a_language_model_is_padded_and_decoded(tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    tokenizers = pytest.importorskip("tokenizers")
    words = {"<end>": 0, "a": 1, "b": 2, "c": 3}
    core = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<end>"))
    core.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<end>", unk_token="<end>"
    )
    config = transformers.GPT2Config(
        n_embd=8, n_layer=1, n_head=2, vocab_size=4, bos_token_id=0, eos_token_id=0
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path))
    inputs = loaded.prepare(["a b c", "b"])
    assert inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert loaded.class_name(2) == "b"
    with pytest.raises(InputError, match="a text is empty"):
        loaded.prepare(["a", ""])
