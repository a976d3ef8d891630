"""The semi-NMF study: its claims and baselines are computed from what was measured."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hodology.studies import semi_nmf_figures
from hodology.study import find_paper
from hodology.study.runner import run_study

pytest.importorskip("transformers", reason="the study trains a GPT of the hf extra")

SMALL = {
    "tokens": 300,
    "epochs": 1,
    "iterations": 20,
    "kl": (0.5,),
    "starts": 2,
    "sae_epochs": 2,
    "restarts": 1,
}


@pytest.fixture
def small(monkeypatch):
    """Sizes that take seconds."""
    sizes = {"quick": SMALL | {"sweep": ()}, "standard": SMALL | {"sweep": ((9, 32),)}}
    monkeypatch.setattr(semi_nmf_figures, "SIZES", sizes)
    real = semi_nmf_figures.topics_gpt

    def short(split=None, **options):
        """A model of a few sentences: the claims' arithmetic is tested, not their truth."""
        from hodology.data.topics import load_topics_split

        train, test = load_topics_split(seed=options.get("seed", 0)) if split is None else split
        return real((train.split(n_test=len(train) - 800)[0], test), **options)

    monkeypatch.setattr(semi_nmf_figures, "topics_gpt", short)
    monkeypatch.setattr("hodology.studies.semi_nmf_hierarchy.topics_gpt", short)


def test_five_claims_with_baselines_are_judged_from_the_seeds(small, tmp_path):
    record = run_study(find_paper("semi-nmf"), size="standard", seeds=2, folder=tmp_path)
    claims = record["claims"]
    assert {claim["claim"][:2] for claim in claims} == {"1.", "2.", "3.", "4.", "5."}
    words = " ".join(claim["claim"] for claim in claims)
    for part in (
        *(
            "random ones",
            "principal components",
            "sparse autoencoder",
            "single unit",
            "S_CD",
            "equal divergence",
        ),
        *("difference of means", "Regime", "ceil(p d)", "Planted", "two starts", "purity", "shuffled tree"),
        "permutation test",
    ):
        assert part in words
    for claim in claims:
        assert len(claim["per_seed"]) == 2
        assert claim["measured"] == pytest.approx(np.mean(claim["per_seed"]))
    titles = " ".join(table["title"] for table in record["tables"])
    for part in ("AUROC", "Concept detection score", "Steering at equal divergence", "Regimes"):
        assert part in titles


def test_methods_steer_at_the_divergence_that_is_asked_for(small):
    """Equal divergence is what makes scores comparable."""
    from hodology.studies.semi_nmf_concepts import find_features, tables_of
    from hodology.studies.semi_nmf_steering import steering

    gpt = semi_nmf_figures.topics_gpt(seed=0, epochs=1)
    table, other = tables_of(gpt, 300, -1)
    assert len(table) == len(other) == 300
    features = find_features(table, other, 0, SMALL, rank=8, share=0.05, latents=16)
    found = steering(gpt, features, (0.05,), -1, 0)["0.05"]
    assert {"semi-NMF", "SAE", "difference of means", "single unit", "random"} <= set(found)
    for figures in found.values():
        assert 0.0 <= figures["concept"] <= 1.0
        assert 0.0 <= figures["fluency"] <= 1.0
        assert figures["concept"] <= figures["fluency"] + 1e-9  # the concept's words are grammatical there
        assert figures["score"] <= 2 * figures["concept"] + 1e-9  # a harmonic mean is below twice the lesser


def test_a_users_model_and_labelled_texts_are_measured(small, tmp_path):
    from hodology.errors import InputError
    from hodology.nn.models import small_gpt, word_tokenizer

    words = {"colour": ("red", "blue", "green"), "animal": ("dog", "cat", "owl")}
    every = [w for group in words.values() for w in group] + ["the", "a", "near"]
    tokenizer = word_tokenizer(every)
    small_gpt(len(tokenizer), width=16, heads=2, hidden=48, context=16).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    draws = np.random.default_rng(0)
    rows = [
        {
            "text": " ".join(f"{draws.choice(['the', 'a', 'near'])} {draws.choice(group)}" for _ in range(4)),
            "label": name,
        }
        for name, group in words.items()
        for _ in range(40)
    ]
    file = tmp_path / "texts.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    found = json.loads(semi_nmf_figures.measure({"seed": 0, "size": "quick", "data": str(tmp_path)}))
    assert found["generated"] is None
    assert set(found["detection"]["semi-NMF"]) == {"auroc"}
    record = run_study(
        find_paper("semi-nmf"), size="quick", seeds=2, data=str(tmp_path), folder=tmp_path / "o"
    )
    assert {claim["claim"][:2] for claim in record["claims"]} == {"1.", "3."}
    file.write_text("\n".join(json.dumps(row) for row in rows[:45]))
    with pytest.raises(InputError, match="at least two labels with 12 texts each"):
        semi_nmf_figures.measure({"seed": 0, "size": "quick", "data": str(tmp_path)})
    file.unlink()
    with pytest.raises(InputError, match="must hold 'model' and 'texts.jsonl'"):
        semi_nmf_figures.measure({"seed": 0, "size": "quick", "data": str(tmp_path)})
