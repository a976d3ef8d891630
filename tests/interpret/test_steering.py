"""Steering changes every position by exactly what it says, the cache included, and its strength meets its divergence."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.errors import InputError, UnknownNameError
from hodology.interpret.steering import (
    PAPER_TARGETS,
    divergence,
    generate_steered,
    harmonic_score,
    steer,
    steering_strength,
)
from hodology.interpret.steering_search import match_curves
from hodology.nn.models import small_gpt, word_tokenizer
from hodology.nn.taps import record
from model_hooks import hook_count

WORDS = tuple(f"w{i}" for i in range(14))
SITE = "transformer.h.0.mlp.c_proj:input"
IDS = torch.tensor([[2, 4, 9, 7], [2, 5, 5, 12]])


def _loud(model, factor=3.0):
    """Scores far from uniform, and biases that are not zero."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(factor if parameter.ndim > 1 else 1.0)
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.fixture
def tokenizer():
    pytest.importorskip("transformers", reason="needs the hf extra")
    return word_tokenizer(WORDS)


@pytest.fixture
def gpt(tokenizer):
    return _loud(small_gpt(len(tokenizer), depth=2, width=16, heads=2, hidden=24, rng=3))


@pytest.fixture
def gemma():
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    config = transformers.Gemma2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        intermediate_size=24,
        vocab_size=18,
        attn_implementation="eager",
    )
    torch.manual_seed(0)
    return _loud(transformers.Gemma2ForCausalLM(config))


def _z(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _logits(model, ids=IDS, **options):
    with torch.no_grad():
        return model(input_ids=ids, **options).logits


def test_every_position_moves_by_alpha_along_the_unit_direction(gpt):
    z = _z(24)
    with torch.no_grad(), record(gpt, [SITE]) as plain:
        gpt(input_ids=IDS)
    with torch.no_grad(), steer(gpt, z, -2.5, 0), record(gpt, [SITE]) as steered:
        gpt(input_ids=IDS)
    shift = -2.5 * z / z.norm()
    torch.testing.assert_close(steered[SITE], plain[SITE] + shift)
    assert hook_count(gpt) == 0
    torch.testing.assert_close(_logits(gpt), _logits(gpt))


@pytest.mark.parametrize("layer", [0, 1])
def test_without_a_norm_the_output_way_is_the_hidden_way(gpt, layer):
    z = _z(24)
    with steer(gpt, z, 4.0, layer):
        hidden = _logits(gpt)
    with steer(gpt, z, 4.0, layer, at="output"):
        output = _logits(gpt)
    torch.testing.assert_close(output, hidden, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(hidden, _logits(gpt), atol=1e-2)


def test_behind_a_norm_the_output_way_adds_the_normed_direction(gemma):
    z, site = _z(24), "model.layers.0.post_feedforward_layernorm"
    with torch.no_grad(), record(gemma, [site]) as plain:
        gemma(input_ids=IDS)
    with torch.no_grad(), steer(gemma, z, 0.7, 0, at="output"), record(gemma, [site]) as steered:
        gemma(input_ids=IDS)
    layer = gemma.model.layers[0]
    written = layer.post_feedforward_layernorm(layer.mlp.down_proj(z / z.norm())).detach()
    torch.testing.assert_close(
        steered[site] - plain[site], (0.7 * written).expand_as(plain[site]), atol=1e-4, rtol=1e-4
    )


def _cache_name(model):
    """Renamed between releases of transformers."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


@pytest.mark.parametrize("at", ["hidden", "output"])
@pytest.mark.parametrize("name", ["gpt", "gemma"])
def test_a_cache_sees_the_steering(request, name, at):
    from transformers import DynamicCache

    model = request.getfixturevalue(name)
    with steer(model, _z(24), 3.0, 0, at=at):
        whole = _logits(model, use_cache=False)
        cache, steps = DynamicCache(), []
        with torch.no_grad():
            for part in (IDS[:, :2], IDS[:, 2:3], IDS[:, 3:]):
                steps.append(model(input_ids=part, use_cache=True, **{_cache_name(model): cache}).logits)
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=1e-4, rtol=1e-4)
    plain = _logits(model)
    assert ((whole - plain).abs().amax(dim=2) > 1e-3).all()  # at every position


@pytest.mark.parametrize("at", ["hidden", "output"])
def test_generation_is_the_same_with_and_without_cache(gpt, tokenizer, at):
    z = _z(24)
    options = {"prompt": "w1 w2", "max_new_tokens": 20, "top_p": 0.95, "at": at, "rng": 4}
    cached, plain = (
        generate_steered(gpt, tokenizer, z, 6.0, 0, use_cache=c, **options) for c in (True, False)
    )
    assert cached == plain
    assert len(cached) == 8
    assert len(set(cached)) > 1
    assert cached != generate_steered(gpt, tokenizer, z, 0.0, 0, **options)
    assert cached != generate_steered(gpt, tokenizer, z, 6.0, 0, **(options | {"rng": 5}))


def test_sampling_leaves_global_state_flags_and_the_prompt_out(gpt, tokenizer):
    gpt.train()
    torch.manual_seed(9)
    before = torch.get_rng_state()
    first = generate_steered(gpt, tokenizer, _z(24), 1.0, 1, prompt="w3", n=3, max_new_tokens=5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert first == generate_steered(gpt, tokenizer, _z(24), 1.0, 1, prompt="w3", n=3, max_new_tokens=5)
    assert gpt.training
    assert hook_count(gpt) == 0
    assert all(len(text.split()) <= 5 and "<" not in text.replace("<unk>", "") for text in first)
    with torch.no_grad(), steer(gpt.eval(), _z(24), 1.0, 1):
        rows = gpt.generate(
            input_ids=torch.tensor([[2, 7]]),
            attention_mask=torch.ones(1, 2, dtype=torch.int64),
            max_new_tokens=5,
            do_sample=False,
        )
    greedy = generate_steered(gpt, tokenizer, _z(24), 1.0, 1, prompt="w3", n=1, max_new_tokens=5, top_k=1)
    assert greedy == [tokenizer.decode(rows[0, 2:], skip_special_tokens=True)]


def test_rows_have_directions_and_strengths_of_their_own(gpt):
    z, alpha = _z(2, 24), torch.tensor([1.0, -3.0])
    with steer(gpt, z, alpha, 1):
        both = _logits(gpt)
        four = _logits(gpt, IDS.repeat_interleave(2, dim=0))  # as several continuations of each row
    torch.testing.assert_close(four[::2], both, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(four[1::2], both, atol=1e-4, rtol=1e-4)
    for row in (0, 1):
        with steer(gpt, z[row].numpy(), float(alpha[row]), 1):
            torch.testing.assert_close(_logits(gpt, IDS[row : row + 1])[0], both[row], atol=1e-4, rtol=1e-4)
    with steer(gpt, z[0], alpha, 1):  # one direction, a strength per row
        one = _logits(gpt)
    torch.testing.assert_close(one[0], both[0], atol=1e-4, rtol=1e-4)
    with (
        pytest.raises(
            InputError,
            match=r"steering of shape \(2, 24\) does not fit layer .* one direction, or one per row",
        ),
        steer(gpt, z, 1.0, 1),
    ):
        _logits(gpt, IDS[:1])
    assert hook_count(gpt) == 0


def test_blocks_inside_each_other_add_up(gpt):
    a, b = _z(24, seed=1), _z(24, seed=2)
    with steer(gpt, a, 2.0, 1), steer(gpt, b, -1.0, 1):
        nested = _logits(gpt)
    both = 2.0 * a / a.norm() - b / b.norm()
    with steer(gpt, both, float(both.norm()), 1):
        torch.testing.assert_close(nested, _logits(gpt), atol=1e-4, rtol=1e-4)


def test_image_models_are_steered_too(vit, images):
    z = _z(12)
    found = steering_strength(vit, None, z, -1, [0.05, 0.1], prompt=images[:2])
    with torch.no_grad():
        base = vit(images[:2]).log_softmax(dim=1).double()
        with steer(vit, z, found.alpha[0], -1):
            steered = vit(images[:2]).log_softmax(dim=1).double()
    assert found.reached.all()
    assert float(divergence(base, steered).mean()) == pytest.approx(0.05, rel=0.02)


def test_half_precision_is_steered_as_it_is(gpt):
    with steer(gpt.to(torch.bfloat16), _z(24), 2.0, 1, at="output"):
        assert _logits(gpt).dtype == torch.bfloat16


def test_hooks_are_gone_after_a_failure(gpt):
    with pytest.raises(RuntimeError, match="mine"), steer(gpt, _z(24), 1.0, 0):
        raise RuntimeError("mine")
    assert hook_count(gpt) == 0


def test_the_divergence_is_that_of_the_base_from_the_steered():
    base, steered = torch.tensor([0.5, 0.5]).log(), torch.tensor([0.9, 0.1]).log()
    expected = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    assert float(divergence(base, steered)) == pytest.approx(expected)
    assert float(divergence(steered, base)) != pytest.approx(expected, rel=0.1)
    logs = _z(2, 5, 7).log_softmax(dim=2)
    peer = torch.nn.functional.kl_div(logs[1], logs[0], reduction="none", log_target=True).sum(dim=1)
    torch.testing.assert_close(divergence(logs[0], logs[1]), peer)


def _kl(model, z, alpha, layer, prompts, at="hidden"):
    """KL(base || steered) behind the last token, by hand."""
    found = []
    for ids in prompts:
        p = _logits(model, torch.tensor([ids]))[0, -1].double().softmax(dim=0)
        with steer(model, z, alpha, layer, at=at):
            q = _logits(model, torch.tensor([ids]))[0, -1].double().softmax(dim=0)
        found.append(float((p * (p / q).log()).sum()))
    return float(np.mean(found))


@pytest.mark.parametrize(("sign", "at"), [(1, "hidden"), (-1, "output")])
def test_strengths_meet_their_divergences(gpt, tokenizer, sign, at):
    z, targets = _z(5, 24), (0.025, 0.1, 0.5)
    found = steering_strength(
        gpt, tokenizer, z, 0, targets, prompt=["w1 w2", "w7"], sign=sign, at=at, max_batch=4
    )
    assert found.alpha.shape == found.kl.shape == found.reached.shape == (5, 3)
    assert (np.sign(found.alpha) == sign).all()
    assert found.reached.sum() >= 12
    for row in range(5):
        for column, target in enumerate(targets):
            by_hand = _kl(gpt, z[row], found.alpha[row, column], 0, ([2, 5, 6], [2, 11]), at=at)
            assert by_hand == pytest.approx(found.kl[row, column], rel=1e-3, abs=1e-6)
            assert found.reached[row, column] == (abs(found.kl[row, column] - target) <= 0.01 * target)
    assert hook_count(gpt) == 0


def test_one_direction_and_one_target_lose_their_axes_and_batches_do_not_matter(gpt, tokenizer):
    z = _z(3, 24)
    whole = steering_strength(gpt, tokenizer, z, 1, prompt="w1")
    assert whole.alpha.shape == (3, len(PAPER_TARGETS))
    alone = steering_strength(gpt, tokenizer, z[1], 1, 0.1, prompt="w1", max_batch=1)
    assert alone.alpha.shape == ()
    assert float(alone.alpha) == pytest.approx(whole.alpha[1, 2], rel=1e-4)
    assert set(alone.to_dict()) == {"alpha", "kl", "reached", "target", "layer", "at"}
    assert "of 21 reached" in repr(whole)


def test_what_cannot_be_reached_is_flagged_and_never_none(gpt, tokenizer):
    found = steering_strength(
        gpt, tokenizer, torch.stack([_z(24), torch.zeros(24)]), 1, [0.1, 500.0], prompt="w1"
    )
    assert found.reached.tolist() == [[True, False], [False, False]]
    assert np.isfinite(found.alpha).all()
    assert 0.1 < found.kl[0, 1] < 500.0
    np.testing.assert_allclose(found.kl[1], 0.0, atol=1e-9)


def test_bounds_move_where_they_do_not_hold_the_target(gpt, tokenizer):
    z = _z(24)
    exact = steering_strength(gpt, tokenizer, z, 1, 0.1, prompt="w1")
    for low, high in ((500.0, 2000.0), (1e-4, 1e-2)):
        moved = steering_strength(gpt, tokenizer, z, 1, 0.1, prompt="w1", low=low, high=high)
        assert moved.reached
        assert float(moved.alpha) == pytest.approx(float(exact.alpha), rel=0.02)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(1e-9, 10.0), min_size=1, max_size=5),
    st.lists(st.floats(0.01, 3.0), min_size=1, max_size=3),
)
def test_square_curves_are_solved_exactly(slopes, targets):
    slope, wanted = np.array(slopes), np.array(targets)
    found = match_curves(
        lambda rows, a: slope[rows] * a**2, len(slope), wanted, low=1.0, high=2000.0, steps=20, tolerance=0.01
    )
    assert found.reached.all()
    np.testing.assert_allclose(found.strength, np.sqrt(wanted / slope[:, None]), rtol=0.006)


def test_a_curve_that_passes_a_target_again_gives_the_weakest_strength():
    def curve(rows, a):
        return np.where(a < 50.0, a / 50.0, 1.0 / (1.0 + (a - 50.0) / 40.0))

    found = match_curves(curve, 1, np.array([0.5]), low=1.0, high=2000.0, steps=20, tolerance=0.01)
    assert found.strength[0, 0] == pytest.approx(25.0, rel=0.02)


def test_a_curve_that_levels_off_or_overflows_is_reported_with_the_weakest_nearest():
    def level(rows, a):
        return 0.3 * a**2 / (1.0 + a**2)

    found = match_curves(level, 1, np.array([0.2, 5.0]), low=1.0, high=2000.0, steps=20, tolerance=0.01)
    assert found.reached.tolist() == [[True, False]]
    assert found.value[0, 1] == pytest.approx(0.3, abs=0.01)
    assert found.strength[0, 1] < 100.0  # and not the end of the grid
    broken = match_curves(
        lambda rows, a: np.where(a > 10.0, np.nan, 0.01 * a),
        1,
        np.array([0.05]),
        low=1.0,
        high=2000.0,
        steps=20,
        tolerance=0.01,
    )
    assert broken.strength[0, 0] == pytest.approx(5.0, rel=0.02)


def test_a_search_takes_few_looks():
    looks: list[int] = []

    def curve(rows, a):
        looks.append(len(rows))
        return 1e-3 * a**1.7

    match_curves(curve, 1, np.array(PAPER_TARGETS), low=1.0, high=2000.0, steps=20, tolerance=0.01)
    assert sum(looks) <= 12 + 4 * len(PAPER_TARGETS)  # plain halving from 1 to 2000 takes some 13 per target


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 2), st.floats(0, 2))
def test_the_harmonic_mean_lies_between_and_is_zero_with_either(a, b):
    score = harmonic_score(a, b)
    assert score == pytest.approx(harmonic_score(b, a))
    if min(a, b) == 0.0:
        assert score == 0.0
    elif min(a, b) > 1e-300:
        assert min(a, b) * (1 - 1e-9) <= score <= max(a, b) * (1 + 1e-9)


def test_harmonic_scores_by_hand():
    assert harmonic_score(1.0, 2.0) == pytest.approx(4 / 3)
    np.testing.assert_allclose(
        harmonic_score(np.array([2.0, 0.0, 1.0]), np.array([2.0, 1.0, 0.0])), [2.0, 0.0, 0.0]
    )
    for bad in (-1.0, float("nan")):
        with pytest.raises(InputError, match="fluency must be finite and at least 0"):
            harmonic_score(1.0, bad)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda m, t: steer(m, torch.zeros(24), 1.0, 0).__enter__(),
            InputError,
            "z must not be zero, got zeros in row 0",
        ),
        (lambda m, t: steer(m, _z(5), 1.0, 0).__enter__(), InputError, "must have 24 units"),
        (lambda m, t: steer(m, _z(24), math.inf, 0).__enter__(), InputError, "alpha must be finite"),
        (
            lambda m, t: steer(m, _z(2, 24), [1.0] * 3, 0).__enter__(),
            InputError,
            "alpha must be one number or one per",
        ),
        (lambda m, t: steer(m, _z(24), 1.0, 7).__enter__(), InputError, "layers has index 7"),
        (lambda m, t: steer(m, _z(24), 1.0, "transformer.y").__enter__(), UnknownNameError, "close names"),
        (
            lambda m, t: steer(m, _z(24), 1.0, 0, at="out").__enter__(),
            UnknownNameError,
            "at must be 'hidden' or 'output'",
        ),
        (
            lambda m, t: steer(m, _z(16), 1.0, "transformer.h.0", at="output").__enter__(),
            InputError,
            "no input|not the input",
        ),
        (
            lambda m, t: steering_strength(m, t, _z(24), 0, 0.0, prompt="w1"),
            InputError,
            "target_kl must be one or more pos",
        ),
        (
            lambda m, t: steering_strength(m, t, _z(24), 0),
            InputError,
            "prompt 'I think that' has words that the tokenizer",
        ),
        (
            lambda m, t: steering_strength(m, t, _z(24), 0, prompt=[]),
            InputError,
            "prompt must be a text or several",
        ),
        (
            lambda m, t: steering_strength(m, t, _z(24), 0, prompt="w1", sign=0),
            InputError,
            "sign must be 1 or -1",
        ),
        (
            lambda m, t: steering_strength(m, t, _z(24), 0, prompt="w1", low=5, high=5),
            InputError,
            "low and high must be",
        ),
        (
            lambda m, t: steering_strength(m, t, _z(24), 0, prompt="w1", tolerance=0),
            InputError,
            "tolerance must be pos",
        ),
        (
            lambda m, t: steering_strength(m, t, _z(24), 0, prompt="w1", steps=0),
            InputError,
            "steps must be an integer",
        ),
        (
            lambda m, t: generate_steered(m, t, _z(24), 1.0, 0, prompt="w1"),
            InputError,
            "max_new_tokens must be at most 30",
        ),
        (
            lambda m, t: generate_steered(m, str, _z(24), 1.0, 0),
            InputError,
            "needs a language model of transformers",
        ),
        (
            lambda m, t: generate_steered(m, t, _z(24), 1.0, 0, prompt="w1", n=0),
            InputError,
            "n must be an integer",
        ),
    ],
)
def test_bad_calls_are_explained(gpt, tokenizer, call, error, message):
    with pytest.raises(error, match=message):
        call(gpt, tokenizer)
    assert hook_count(gpt) == 0
