"""``hodology features fit`` works on users' models and texts, resumes, and answers misuse in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hodology.cli import main
from hodology.files import read_arrays

transformers = pytest.importorskip("transformers", reason="needs the hf extra")

TEXTS = (
    "the red dog ran",
    "a blue dog sat",
    "the green cat ran",
    "a red cat sat",
    "the blue owl ran",
    "a green owl sat",
)


@pytest.fixture
def gpt(tmp_path):
    """A small random GPT-2 with a tokenizer of words, as a directory of the hub."""
    from hodology.nn.models import small_gpt, word_tokenizer

    words = sorted({word for text in TEXTS for word in text.split()})
    tokenizer = word_tokenizer(words)
    small_gpt(len(tokenizer), width=16, heads=2, hidden=24, context=16).save_pretrained(tmp_path / "gpt")
    tokenizer.save_pretrained(tmp_path / "gpt")
    return tmp_path / "gpt"


@pytest.fixture
def texts(tmp_path):
    file = tmp_path / "texts.jsonl"
    rows = [{"text": text, "label": text.split()[2]} for text in TEXTS * 6]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def fit(gpt, texts, out, capsys, monkeypatch):
    """Call ``hodology features fit``; later options win. Returns code, output, error."""
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"):
        monkeypatch.setenv(name, "error" if name == "TRANSFORMERS_VERBOSITY" else "1")
    transformers.utils.logging.disable_progress_bar()  # it was imported before its switches were set

    def call(*words):
        head = ["features", "fit", "--model", str(gpt), "--data", str(texts), "-k", "6", "--out", str(out)]
        with pytest.raises(SystemExit) as stop:
            main([*head, "--restarts", "1", "--quiet", *words])
        return stop.value.code, *capsys.readouterr()

    return call


def rows_of(out):
    return [json.loads(line) for line in (out / "features.jsonl").read_text().splitlines()]


def test_every_file_is_written_and_agrees(fit, out):
    code, text, error = fit()
    assert (code, error) == (0, "")
    assert "strongest on" in text
    names = {file.name for file in out.iterdir() if file.is_file()}
    assert names == {"index.html", "features.jsonl", "components.npz", "summary.json", "manifest.json"}
    arrays = read_arrays(out / "components.npz")
    assert arrays["components"].shape == (6, 24)
    assert (arrays["coefficients"] >= 0).all()
    assert (
        len(arrays["coefficients"]) == len(arrays["samples"]) == 4 * len(TEXTS) * 6
    )  # begin tokens left out
    rows = rows_of(out)
    assert [row["id"] for row in rows] == list(range(6))
    shares = [row["share"] for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1.0)
    for row in rows:
        assert row["n_units"] <= 10  # the default: 0.01 of the units, or 10 of them
        for context in row["contexts"]:
            assert context["id"].startswith("texts.jsonl:")
            assert context["tokens"][context["focus"]][1] == pytest.approx(context["value"])
    summary = json.loads((out / "summary.json").read_text())
    assert summary["data"] == {"name": "texts.jsonl", "n": 36, "tokens": 144}
    assert summary["named"] is not None


def test_contexts_are_the_tokens_with_the_largest_coefficients(fit, out):
    fit()
    arrays = read_arrays(out / "components.npz")
    for row in rows_of(out):
        largest = np.sort(arrays["coefficients"][:, row["id"]])[::-1]
        values = [context["value"] for context in row["contexts"]]
        assert values[0] == pytest.approx(largest[0], rel=1e-5)


def test_a_second_run_reads_no_text_again(fit, out, monkeypatch):
    assert fit()[0] == 0

    def fail(*_, **__):
        raise AssertionError("activations were collected again")

    monkeypatch.setattr("hodology.interpret.features_run.collect_activations", fail)
    assert fit("-k", "4")[0] == 0
    assert len(rows_of(out)) == 4


def test_levels_above_the_features_are_drawn(fit, out):
    assert fit("--ranks", "3,2", "--sparsity", "0.3")[0] == 0
    arrays = read_arrays(out / "components.npz")
    assert arrays["weights2"].shape == (6, 3)
    assert arrays["weights3"].shape == (3, 2)
    assert "level 3, concept" in (out / "assets" / "data.js").read_text()


def test_texts_without_labels_get_no_names(fit, out, tmp_path):
    (tmp_path / "plain.txt").write_text("\n".join(TEXTS * 3))
    assert fit("--data", str(tmp_path / "plain.txt"))[0] == 0
    assert json.loads((out / "summary.json").read_text())["named"] is None
    assert all(row["concept"] is None for row in rows_of(out))


def test_the_limit_of_tokens_holds(fit, out):
    assert fit("--tokens", "50")[0] == 0
    assert len(read_arrays(out / "components.npz")["coefficients"]) == 50


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-k", "0"), "k must be at least 1"),
        (("-k", "30"), "must be at most the number of features"),
        (("--sparsity", "2"), "sparsity must be in (0, 1]"),
        (("--layer", "9"), "layers has index 9, but the model has 2 ffn sites"),
        (("--layer", "transformer.h.7"), "is not in this model"),
        (("--ranks", "9,2"), "ranks must fall from k = 6"),
        (("--ranks", "a"), "ranks must be numbers such as 25,10"),
        (("--solver", "sgd"), "solver must be one of"),
        (("--init", "zero"), "init 'zero' is not a start"),
        (("--data", "digits"), "the data are arrays"),
        (("--model", "digits-vit:0:0"), "does not exist"),
    ],
)
def test_misuse_is_one_line(fit, words, message):
    code, text, error = fit(*words)
    assert (code, text) == (2, "")
    assert message in error
    assert error.count("\n") == 1


def test_a_folder_with_something_else_is_left_alone(fit, out):
    out.mkdir()
    (out / "thesis.txt").write_text("keep me")
    code, _, error = fit()
    assert code == 2
    assert "holds no features" in error
    assert [f.name for f in out.iterdir()] == ["thesis.txt"]
