"""Spread of imputed draws: hidden cells by the values of rows, and draws that cover the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skvae import VAEImputer
from skvae._model import calibration, imputation
from skvae._model.calibration import hidden_cells
from skvae.networks import MLP

nan = np.nan
rng = np.random.default_rng(0)
X = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5))
X = np.where(rng.random(X.shape) < 0.2, nan, X)


@settings(max_examples=30)
@given(st.floats(0.02, 0.4), st.integers(0, 2**31 - 1))
def test_the_share_of_hidden_cells_is_the_one_asked_for(share, seed):
    hidden = hidden_cells(X, share, seed)
    n_observed = (~np.isnan(X)).sum()
    deviation = np.sqrt(share * (1 - share) * n_observed)
    assert abs(hidden.sum() - share * n_observed) < 5 * deviation
    assert not hidden[np.isnan(X)].any()
    assert (~np.isnan(X) & ~hidden).any(axis=1)[~np.isnan(X).all(axis=1)].all()


@given(st.permutations(range(20)), st.integers(0, 1000))
def test_hidden_cells_depend_on_the_values_of_their_row_alone(order, seed):
    rows = np.vstack([X[:20], X[:20]])
    hidden = hidden_cells(rows, 0.3, seed)
    assert_array_equal(hidden[:20], hidden[20:])
    assert_array_equal(hidden_cells(np.vstack([rows[order], rows]), 0.3, seed)[:20], hidden[order])


def test_columns_and_seeds_have_their_own_hidden_cells():
    rows = np.repeat(rng.normal(size=(2000, 1)), 3, axis=1)
    first, second = (hidden_cells(rows, 0.5, seed).astype(float) for seed in (0, 1))
    correlations = np.corrcoef(np.hstack([first, second]), rowvar=False)
    assert np.abs(correlations - np.eye(6)).max() < 0.1


def test_every_row_keeps_a_value_and_short_columns_all():
    rows = np.full((100, 2), nan)
    rows[:, 0] = np.arange(100)
    rows[:19, 1] = 1.0
    hidden = hidden_cells(rows, 0.49, 0)
    assert not hidden[19:].any()
    assert not hidden[:, 1].any()


@pytest.mark.parametrize("factor", [0.25, 1.0, 4.0])
def test_widths_are_the_ratio_of_errors_to_the_spread_of_draws(factor, monkeypatch):
    rows = rng.normal(size=(2000, 3))
    hidden = rng.random(rows.shape) < 0.2

    def drawn(modules, incomplete, n_draws, n_samples, seed):
        assert np.isnan(incomplete[:, 0]).any()
        return factor * rng.normal(size=(n_draws, *incomplete.shape))

    monkeypatch.setattr(imputation, "drawn", drawn)
    widths = calibration.widths(None, rows, hidden, 10, 0)
    np.testing.assert_allclose(widths, max(1.0, 1 / factor), rtol=0.25)


def test_draws_of_an_overfitted_model_are_widened_about_the_same_means():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=(60, 6))
    missing = rng.random(truth.shape) < 0.3
    rows = np.where(missing, nan, truth)
    imputer = VAEImputer(
        5,
        network=MLP(hidden_layer_sizes=(64,)),
        n_estimators=1,
        max_epochs=400,
        hidden_fraction=0.1,
        random_state=0,
    ).fit(rows)
    assert (imputer._widths > 1.1).all()
    widened = imputer.impute(rows, 200, random_state=0)
    widths, imputer._widths = imputer._widths, np.ones(6)
    plain = imputer.impute(rows, 200, random_state=0)
    imputer._widths = widths
    ratio = widened.std(axis=0)[missing] / plain.std(axis=0)[missing]
    expected = np.broadcast_to(widths, rows.shape)[missing]
    np.testing.assert_allclose(np.median(ratio / expected), 1.0, atol=0.05)
    for draws, least in ((widened, 0.85), (plain, 0.0)):
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        covered = ((low <= truth) & (truth <= high))[missing].mean()
        assert covered > least
    assert covered < 0.9  # without the correction


def test_nothing_is_hidden_without_a_share_or_a_density():
    complete = np.abs(np.nan_to_num(X)).round()
    quick = {"n_components": 2, "n_estimators": 1, "max_epochs": 1, "random_state": 0}
    for changes in ({"hidden_fraction": None}, {"likelihood": "poisson"}):
        imputer = VAEImputer(**quick, **changes).fit(complete)
        assert not imputer.module_.parts.has_gaps
        assert_array_equal(imputer._widths, np.ones(5))
    imputer = VAEImputer(**quick).fit(complete)
    assert imputer.module_.parts.has_gaps
    with pytest.raises(ValueError, match="had no missing values"):  # hidden ones are not gaps
        imputer.sample(3, missing=True)
