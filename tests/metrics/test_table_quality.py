"""Quality of copies, of shuffled columns and of fresh rows of one distribution; errors."""

import pickle

import numpy as np
import pytest

from skvae.metrics import table_quality


def draw(n_rows, seed):
    """Rows of three numbers, of which the last two depend on the first, and a class."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 4))
    X[:, 1:3] += 2 * X[:, [0]]
    X[:, 3] = X[:, 0] + X[:, 3] / 2 > 0
    return X


@pytest.fixture(scope="module")
def real():
    return draw(700, seed=0)


@pytest.fixture(scope="module")
def holdout():
    return draw(700, seed=1)


def test_fresh_rows_of_one_distribution_are_as_good_as_real_ones(real, holdout):
    quality = table_quality(real, draw(700, 2), target="x3", holdout=holdout, random_state=0)
    assert quality.shape > 0.95
    assert quality.trend > 0.97
    assert quality.c2st > 0.9
    assert quality.dcr_share == pytest.approx(0.5, abs=0.07)
    assert quality.tstr == pytest.approx(quality.trtr, abs=0.03)
    assert quality.trtr > 0.9


def test_shuffled_columns_keep_their_shapes_and_lose_all_else(real, holdout):
    rng = np.random.default_rng(0)
    shuffled = np.column_stack([rng.permutation(column) for column in real.T])
    quality = table_quality(real, shuffled, target="x3", holdout=holdout, random_state=0)
    assert quality.shape == 1
    assert quality.trend < 0.7
    assert quality.c2st < 0.3
    assert quality.tstr < 0.6 < 0.9 < quality.trtr


def test_copies_are_found_by_their_distance_only(real, holdout):
    quality = table_quality(real, real[::-1], target="x3", holdout=holdout, random_state=0)
    assert (quality.shape, quality.c2st) == (1, 1)
    assert quality.trend == pytest.approx(1)
    assert quality.dcr_share > 0.99


def test_scores_are_means_over_columns_and_pairs(real):
    quality = table_quality(real, real[:100], random_state=0)
    assert list(quality.column_shapes) == ["x0", "x1", "x2", "x3"]
    assert quality.shape == pytest.approx(np.mean(list(quality.column_shapes.values())))
    expected = [("x0", "x1"), ("x0", "x2"), ("x0", "x3"), ("x1", "x2"), ("x1", "x3"), ("x2", "x3")]
    assert list(quality.pair_trends) == expected
    assert quality.trend == pytest.approx(np.mean(list(quality.pair_trends.values())))


def test_what_lacks_its_data_is_none_and_not_in_the_repr(real, holdout):
    quality = table_quality(real[:50], real[50:90], target="x3", random_state=0)
    assert quality.tstr is quality.trtr is quality.dcr_share is None
    assert repr(quality).startswith("TableQuality(shape=0.")
    assert "None" not in repr(quality)
    single = table_quality(real[:50, :1], real[50:90, :1], holdout=holdout[:, :1])
    assert single.trend is None
    assert single.pair_trends == {}
    assert single.tstr is None
    assert single.dcr_share is not None


def test_results_are_deterministic(real, holdout):
    first, second = (
        table_quality(real[:300], real[300:500], target=3, holdout=holdout[:200], random_state=7)
        for _ in range(2)
    )
    assert first == second == pickle.loads(pickle.dumps(first))


def test_a_target_of_numbers_is_scored_by_r2(real, holdout):
    quality = table_quality(real, real, target="x1", holdout=holdout, random_state=0)
    assert quality.tstr == quality.trtr
    assert 0.7 < quality.tstr < 0.95  # of a variance of 5, 4 + an eighth can be predicted


def test_a_target_of_three_numbers_is_a_number(real, holdout):
    tables = [X[:200].copy() for X in (real, real, holdout)]
    for X in tables:
        X[:, 3] += 10 * (X[:, 1] > 0)
    scores = table_quality(tables[0], tables[1], target="x3", holdout=tables[2], random_state=0)
    assert scores.trtr > 0.9


def test_gaps_are_taken_as_they_are(real, holdout):
    gappy = real.copy()
    gappy[::3, 1] = np.nan
    gappy[:, 2] = np.nan
    same = table_quality(gappy, gappy, target="x3", holdout=gappy, random_state=0)
    assert (same.shape, same.c2st, same.dcr_share) == (1, 1, 0.5)
    against = table_quality(gappy, holdout, random_state=0)
    assert against.column_shapes["x1"] > 0.9
    assert against.column_shapes["x2"] == 0
    assert against.c2st < 0.01


def test_invalid_input_raises(real, holdout):
    with pytest.raises(ValueError, match="'synthetic' has 3 columns, but 'real' has 4"):
        table_quality(real, real[:, :3])
    with pytest.raises(ValueError, match="'holdout' has 3 columns, but 'real' has 4"):
        table_quality(real, real, holdout=holdout[:, :3])
    with pytest.raises(ValueError, match="'synthetic' has 2 rows, and at least 3 are required"):
        table_quality(real, real[:2])
    with pytest.raises(ValueError, match="synthetic contains infinity"):
        table_quality(real, real + np.inf)
    for target in ("age", 4, -1, True, 1.0):
        with pytest.raises(ValueError, match=f"one of the 4 columns, such as 'x0', got {target!r}"):
            table_quality(real, real, target=target)
    with pytest.raises(ValueError, match="'x0' is the only column"):
        table_quality(real[:, :1], real[:, :1], target=0, holdout=holdout[:, :1])


@pytest.mark.parametrize(
    ("table", "n_values", "fewest"), [("real", 1, 2), ("synthetic", 0, 1), ("holdout", 1, 2)]
)
def test_a_target_that_cannot_be_learned_or_tested_raises(real, holdout, table, n_values, fewest):
    tables = {"real": real, "synthetic": real, "holdout": holdout}
    tables[table] = tables[table].copy()
    tables[table][:, 3] = np.nan
    tables[table][:n_values, 3] = 1
    message = f"'x3' has {n_values} distinct values in {table!r}, and at least {fewest} are"
    with pytest.raises(ValueError, match=message):
        table_quality(**tables, target="x3")
