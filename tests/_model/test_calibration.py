"""Spread of imputed draws: hidden cells by the values of rows, and draws that cover the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skvae import VAEImputer
from skvae._model import calibration, imputation
from skvae._model.calibration import gap_odds, hidden_cells
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
def test_the_order_of_rows_does_not_matter_and_copies_have_equal_gaps(order, seed):
    rows = np.vstack([X[:20], X[:20]])
    hidden = hidden_cells(rows, 0.3, seed)
    assert_array_equal(hidden[:20], hidden[20:])
    assert_array_equal(
        hidden_cells(np.vstack([rows[order], X[:20]]), 0.3, seed)[:20], hidden[order]
    )


def gaps_by_the_first_column(n_rows, slope, rng):
    """Return rows with gaps in the second column, and the odds of these."""
    rows = rng.normal(size=(n_rows, 4))
    rows[:, 1] += rows[:, 0]
    log_odds = slope * rows[:, 0] - 1
    rows[rng.random(n_rows) < 1 / (1 + np.exp(-log_odds)), 1] = nan
    return rows, np.exp(log_odds)


@pytest.mark.parametrize("slope", [0.0, 1.0, -1.0])
def test_odds_of_gaps_are_those_of_the_mechanism(slope):
    rows, odds = gaps_by_the_first_column(20_000, slope, np.random.default_rng(0))
    observed = ~np.isnan(rows[:, 1])
    found = gap_odds(rows)
    assert_allclose(found[observed].mean(axis=0), 1.0)
    expected = odds / odds[observed].mean()
    assert_allclose(np.log(found[:, 1]), np.log(expected), atol=0.5)
    assert_allclose(found[:, [0, 2, 3]], 1.0)  # columns without gaps


def test_hidden_values_are_where_gaps_are_likely():
    rows, _ = gaps_by_the_first_column(5000, 2.0, np.random.default_rng(0))
    hidden = hidden_cells(rows, 0.05, 0)[:, 1]
    missing = np.isnan(rows[:, 1])
    difference = rows[hidden, 0].mean() - rows[missing, 0].mean()
    assert abs(difference) < 0.3 * (rows[missing, 0].mean() - rows[~missing, 0].mean())


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


def widths_of_simulated_models(monkeypatch, *, error, spread, difference=0.0, n_models=1):
    """Return widths for models whose draws vary by `spread` about means that are off by `error`.

    The means of different models differ by `difference`.
    """
    rng = np.random.default_rng(0)  # of its own, so that the order of the tests does not matter
    rows = rng.normal(size=(60_000, 3))
    hidden = rng.random(rows.shape) < 0.2
    shift = np.sqrt(error**2 - difference**2) * rng.normal(size=rows.shape)
    means = {
        number: rows + shift + difference * rng.normal(size=rows.shape)
        for number in range(n_models)
    }

    def drawn(modules, incomplete, n_draws, n_samples, seed):
        used = np.flatnonzero(hidden.any(axis=1))[: len(incomplete)]
        assert np.isnan(incomplete).any()
        assert modules == [0]
        return means[0][used] + spread * rng.normal(size=(n_draws, *incomplete.shape))

    def expected(modules, incomplete, n_samples):
        [module] = modules
        return means[module][np.flatnonzero(hidden.any(axis=1))]

    monkeypatch.setattr(calibration, "_MOST_ROWS", len(rows))
    monkeypatch.setattr(imputation, "drawn", drawn)
    monkeypatch.setattr(imputation, "expected", expected)
    return calibration.widths(list(range(n_models)), rows, hidden, 10, 0)


@pytest.mark.parametrize("factor", [0.25, 1.0, 4.0])
def test_widths_are_the_ratio_of_errors_to_the_spread_of_draws(factor, monkeypatch):
    widths = widths_of_simulated_models(monkeypatch, error=1.0, spread=factor)
    assert_allclose(widths, max(1.0, 1 / factor), rtol=0.25)


def test_mixed_draws_of_several_models_spread_as_their_mean_errs(monkeypatch):
    n_models, spread, difference = 4, 0.3, 0.6
    widths = widths_of_simulated_models(
        monkeypatch, error=1.0, spread=spread, difference=difference, n_models=n_models
    )
    between = (1 - 1 / n_models) * difference**2
    error_of_mean = 1.0 - between
    spread_of_mixture = widths**2 * spread**2 + between
    assert_allclose(spread_of_mixture, error_of_mean, rtol=0.1)


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
    assert_allclose(np.median(ratio / expected), 1.0, atol=0.05)
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
