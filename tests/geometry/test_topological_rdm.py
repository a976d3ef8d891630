"""Geo-topological transforms: thresholds on each matrix's own ranks, regimes of thresholds, the transformer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from hodology.errors import InputError, UnknownNameError
from hodology.geometry.geo_topological import geo_topological
from hodology.geometry.geodesic_rdm import geodesic
from hodology.geometry.ranks import rank_minmax
from hodology.geometry.rdms import as_rdms
from hodology.geometry.regimes import draw_thresholds, regime, threshold_grid
from hodology.geometry.topological_rdm import TopologicalRDM


def _draw(rows=5, n=9, seed=0):
    return np.random.default_rng(seed).random((rows, n * (n - 1) // 2)) ** 3


def _plain(row, low, high):
    """The definition, value by value."""
    r = (rankdata(row) - 1) / (len(row) - 1)
    r = (r - r.min()) / (r.max() - r.min())
    lo, hi = np.quantile(r, low), np.quantile(r, high)
    out = []
    for value in r:
        if hi == lo:
            out.append(float(value > hi))
        else:
            out.append(0.0 if value < lo else 1.0 if value > hi else (value - lo) / (hi - lo))
    return out


def test_by_hand():
    d = [10.0, 20.0, 1000.0, 40.0, 50.0, 60.0]  # ranks 0, .2, 1, .4, .6, .8
    assert geo_topological(d, low=0.2, high=0.8) == pytest.approx([0, 0, 1, 1 / 3, 2 / 3, 1])
    assert geo_topological(d, low=0.5, high=0.5).tolist() == [0, 0, 1, 0, 1, 1]
    assert geo_topological(d) == pytest.approx([0, 0.2, 1, 0.4, 0.6, 0.8])
    smooth = geo_topological(d, method="sigmoid", alpha=4.0, beta=0.4)
    assert smooth == pytest.approx(1 / (1 + np.exp(-4 * (np.array([0, 0.2, 1, 0.4, 0.6, 0.8]) - 0.4))))


@given(st.integers(0, 2**31), st.integers(0, 20), st.integers(0, 20), st.booleans())
def test_it_is_its_definition_also_with_ties(seed, a, b, ties):
    low, high = sorted((a / 20, b / 20))
    values = _draw(3, 7, seed)
    if ties:
        values = np.round(values, 1)
        values[:, :2] = [0.0, 2.0]
    found = geo_topological(values, low=low, high=high)
    assert found == pytest.approx(np.array([_plain(row, low, high) for row in values]), abs=1e-8)
    assert ((found >= 0) & (found <= 1)).all()


def test_only_the_order_of_dissimilarities_counts():
    values = _draw()
    for low, high in ((0.2, 0.7), (0.4, 0.4)):
        found = geo_topological(values, low=low, high=high)
        assert np.array_equal(geo_topological(np.exp(3 * values), low=low, high=high), found)
    raw = (values[0] - np.quantile(values[0], 0.2)) / np.ptp(np.quantile(values[0], [0.2, 0.7]))
    assert np.abs(np.clip(raw, 0, 1) - geo_topological(values[0], low=0.2, high=0.7)).max() > 0.1


def test_quantiles_are_those_of_each_matrix_not_pooled():
    values = _draw()
    values[1:] = np.round(values[1:], 1)  # ties move the quantiles of their own matrix only
    alone = geo_topological(values[0], low=0.1, high=0.3)
    assert np.array_equal(geo_topological(values, low=0.1, high=0.3)[0], alone)
    coarse = np.repeat([0.0, 1.0, 5.0], 12)[None]
    both = np.concatenate([values[:1], coarse])
    found = geo_topological(both, low=0.5, high=0.9)
    assert set(np.unique(found[1])) == {0.0, 1.0}


def test_where_both_quantiles_are_one_value_it_is_the_adjacency():
    clipped = np.array([0.0] * 8 + [1.0, 2.0])
    assert geo_topological(clipped, low=0.0, high=0.5).tolist() == [0.0] * 8 + [1.0, 1.0]


def test_containers_come_back_and_stay_as_they_were():
    values = _draw(3, 6)
    kept = values.copy()
    condensed = geo_topological(values, low=0.1, high=0.6)
    rdms = as_rdms(values, names=["a", "b", "c"], stimuli=list("uvwxyz"), descriptors={"subject": [1, 1, 2]})
    found = geo_topological(rdms, low=0.1, high=0.6)
    assert np.array_equal(found.values, condensed)
    assert found.names == ("a", "b", "c")
    assert found.descriptors["subject"] == (1, 1, 2)
    assert found.stimuli == tuple("uvwxyz")
    square = geo_topological(rdms.square(), low=0.1, high=0.6)
    assert np.array_equal(as_rdms(square).values, condensed)
    one = geo_topological(rdms.square()[0], low=0.1, high=0.6)
    assert one.shape == (6, 6)
    assert np.array_equal(as_rdms(one).values, condensed[:1])
    assert np.array_equal(values, kept)
    assert np.array_equal(rdms.values, kept)


def test_rsatoolbox_objects_come_back_and_stay_as_they_were():
    rsatoolbox = pytest.importorskip("rsatoolbox")
    values = _draw(3, 6)
    theirs = rsatoolbox.rdm.RDMs(values.copy())
    found = geo_topological(theirs, low=0.1, high=0.6)
    assert np.allclose(found.dissimilarities, geo_topological(values, low=0.1, high=0.6))
    assert np.array_equal(theirs.dissimilarities, values)


def test_regimes_have_the_papers_bounds_and_do_not_overlap():
    assert [regime(*t) for t in ((0.4, 0.6), (0.5, 0.5), (0.1, 0.9), (0.95 - 0.8, 0.95))] == [
        "topology", "topology", "geometry", "geometry"]  # fmt: skip
    assert [regime(*t) for t in ((0.0, 0.4), (0.2, 0.2), (0.6, 1.0), (0.8, 0.8))] == ["local"] * 2 + [
        "global"
    ] * 2
    assert [regime(*t) for t in ((0.39, 0.6), (0.0, 0.79), (0.0, 0.41), (0.59, 1.0))] == ["intermediate"] * 4
    with pytest.raises(InputError, match=r"low must not be above high, got low 0\.6 and high 0\.5"):
        regime(0.6, 0.5)


@pytest.mark.parametrize("name", ["topology", "geometry", "local", "global", "intermediate"])
def test_draws_are_of_their_regime(name):
    found = draw_thresholds(name, n_draws=40, rng=3)
    assert len(found) == 40
    for low, high in found:
        assert regime(low, high) == name
        assert 0.01 < low + high < 1.99
        assert (round(low, 2), round(high, 2)) == (low, high)
    assert draw_thresholds(name, n_draws=10, rng=3) == found[:10]
    assert draw_thresholds(name, n_draws=40, rng=4) != found
    assert len(set(found)) > 10


def test_the_grid_has_210_cells():
    cells = threshold_grid()
    assert len(set(cells)) == 210
    assert cells[0] == (0.0, 0.05)
    assert (0.0, 1.0) in cells
    assert all(low < high for low, high in cells)
    with pytest.raises(InputError, match=r"step must divide 1, such as 0\.05, got 0\.3"):
        threshold_grid(step=0.3)


def test_the_transformer_is_the_functions_and_works_in_scikit_learn():
    from sklearn.base import clone
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    values = _draw()
    transformer = TopologicalRDM(low=0.1, high=0.6)
    assert np.array_equal(transformer.fit_transform(values), geo_topological(values, low=0.1, high=0.6))
    copy = clone(transformer).set_params(geodesic="two-step", zero_edges="drop")
    assert transformer.geodesic is None
    assert np.array_equal(copy.fit_transform(values), geodesic(values, low=0.1, high=0.6, zero_edges="drop"))
    assert repr(copy) == "TopologicalRDM(low=0.1, high=0.6, geodesic='two-step', zero_edges='drop')"
    pipeline = make_pipeline(transformer, FunctionTransformer(lambda x: 2 * x))
    assert np.array_equal(pipeline.fit_transform(values), 2 * transformer.transform(values))
    with pytest.raises(UnknownNameError, match="Invalid parameter 'lo' .*'low'"):
        transformer.set_params(lo=0.2)
    with pytest.raises(InputError, match="p, k and zero_edges are for geodesics"):
        TopologicalRDM(k=3).transform(values)
    with pytest.raises(InputError, match="low must not be above high"):
        TopologicalRDM(low=0.5, high=0.1).fit(values)


def test_bad_input_is_explained():
    values = _draw(1, 8)[0]
    with pytest.raises(InputError, match="length 27 is not triangular; nearest are 21 and 28"):
        geo_topological(values[:27])
    with pytest.raises(InputError, match="square RDM must be symmetric"):
        geo_topological(np.triu(np.ones((4, 4)), 1))
    with pytest.raises(InputError, match="diagonal of an RDM must be zero"):
        geo_topological(np.ones((4, 4)))
    with pytest.raises(InputError, match="low must not be above high"):
        geo_topological(values, low=0.7, high=0.2)
    with pytest.raises(InputError, match="low and high must lie between 0 and 1, got -0.1 and 0.5"):
        geo_topological(values, low=-0.1, high=0.5)
    with pytest.raises(InputError, match="row 0 has equal values only"):
        geo_topological(np.ones(28))
    with pytest.raises(UnknownNameError, match="method 'linar' does not exist; close names: 'linear'"):
        geo_topological(values, method="linar")
    with pytest.raises(InputError, match="the sigmoid has alpha and beta"):
        geo_topological(values, method="sigmoid", low=0.2)
    values[3] = np.nan
    with pytest.raises(InputError, match="missing='keep', 'drop' or 'impute'"):
        geo_topological(values)
    with pytest.raises(InputError, match="missing values have no rank; pass missing='drop' or 'impute'"):
        geo_topological(values, missing="keep")
    assert np.isfinite(geo_topological(values, missing="impute")).all()


def test_rsatoolbox_agrees_where_its_transform_is_the_papers_and_snaps_where_it_is_not():
    peer = pytest.importorskip("rsatoolbox.rdm")
    ranks = rank_minmax(_draw(1, 9))
    theirs = peer.geotopological_transform(peer.RDMs(ranks.copy()), 0.3, 1.0).dissimilarities
    assert np.allclose(geo_topological(ranks, low=0.3, high=1.0), theirs)
    snapped = peer.geotopological_transform(peer.RDMs(ranks.copy()), 0.1, 0.6).dissimilarities
    ours = geo_topological(ranks, low=0.1, high=0.6)
    assert (snapped[ours > 0.61] == 1).all()  # rescaled values are compared with the threshold again
    assert np.allclose(snapped[ours < 0.59], ours[ours < 0.59])


def test_rsatoolbox_drops_edges_of_length_zero():
    peer = pytest.importorskip("rsatoolbox.rdm")
    values = _draw(1, 9)
    g = geo_topological(values, low=0.1, high=0.6)
    theirs = peer.geodesic_transform(peer.RDMs(g.copy())).dissimilarities
    assert np.allclose(geodesic(values, low=0.1, high=0.6, zero_edges="drop", unreachable="infinity"), theirs)
    assert not np.allclose(geodesic(values, low=0.1, high=0.6, unreachable="infinity"), theirs)
