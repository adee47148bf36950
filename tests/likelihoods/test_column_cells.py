"""Cells of two columns given by hand: probabilities, draws and inputs against plain Python."""

import numpy as np
import pytest
import torch
from scipy import stats

from skvae.likelihoods import Histogram
from skvae.likelihoods._column_cells import Cells, CellsModule, points

# 0 four times; 1.5 and 2 within an interval; 7.25 as an atom beyond a gap
AMOUNTS = np.array([0.0, 0, 0, 0, 1.5, 2, 2, 7.25])
# whole numbers: 10 alone, and 12 to 15 together
GRADES = np.array([10.0, 10, 10, 12, 13, 15, 15, 12])
X = np.column_stack([AMOUNTS, GRADES])
CELLS = [
    Cells(np.array([0.0, 1, 7.25]), np.array([0.0, 3, 7.25]), np.array([4, 3, 1])),
    Cells(np.array([9.5, 11.5]), np.array([10.5, 15.5]), np.array([3, 5]), grid=1.0),
]
SIZES = [4, 2]  # the first column could have one cell more


def build(*, nominal=False, dense=True, sizes=SIZES):
    spec = Histogram(n_bins=sizes)
    return CellsModule(spec, X, CELLS, sizes, nominal=nominal, dense=dense).double()


def draw_outputs(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, sum(SIZES), dtype=torch.float64, generator=generator)


def probabilities(outputs, column):
    """Softmax over the cells of a column, and last over all other values, as documented."""
    frequencies = np.r_[CELLS[column].counts, 1] / (len(X) + 1)
    own = np.split(outputs.numpy(), [4])[column][: len(CELLS[column].counts)]
    weights = frequencies * np.exp(np.r_[own, 0])
    return weights / weights.sum()


def cell_of(column, value):
    """The number of the cell that holds a value, and its width."""
    for place, (low, high) in enumerate(zip(CELLS[column].low, CELLS[column].high, strict=True)):
        if low <= value <= high:
            return place, high - low
    return None, 0.0


PROBED = np.array([[0.0, 10], [1, 9.5], [2.5, 12.25], [7.25, 11], [7, 20], [-1e6, -3], [3.5, 16]])


def test_a_point_has_a_mass_and_an_interval_a_density():
    outputs, density = draw_outputs(), build()
    found = density.log_prob(outputs, torch.from_numpy(PROBED)).exp().numpy()
    for column in range(2):
        low, high = CELLS[column].low[0], CELLS[column].high[-1]
        elsewhere = stats.cauchy((low + high) / 2, (high - low) / 2)
        *shares, others = probabilities(outputs, column)
        for value, p in zip(PROBED[:, column], found[:, column], strict=True):
            place, width = cell_of(column, value)
            own = 0.0 if place is None else shares[place] / (width or 1)
            assert p == pytest.approx(own + others * elsewhere.pdf(value), rel=1e-12)


def test_without_a_density_elsewhere_all_other_values_have_one_probability():
    outputs, density = draw_outputs(), build(dense=False)
    found = density.log_prob(outputs, torch.from_numpy(PROBED)).exp().numpy()
    for column in range(2):
        *shares, others = probabilities(outputs, column)
        for value, p in zip(PROBED[:, column], found[:, column], strict=True):
            place, width = cell_of(column, value)
            expected = others if place is None else shares[place] / (width or 1)
            assert p == pytest.approx(expected, rel=1e-12)


def test_outputs_of_cells_that_a_column_lacks_have_no_influence():
    outputs, density, x = draw_outputs(5), build(), torch.from_numpy(X[:5])
    changed = outputs.clone()
    changed[:, 3] += 100
    assert torch.equal(density.log_prob(changed, x), density.log_prob(outputs, x))
    assert torch.equal(density.mean(changed), density.mean(outputs))


def test_the_mean_is_that_of_the_middles_and_of_names_the_likeliest():
    outputs = draw_outputs(30)
    middles = [(own.low + own.high) / 2 for own in CELLS]
    mean, likeliest = build().mean(outputs), build(nominal=True).mean(outputs)
    for row in range(30):
        for column in range(2):
            shares = probabilities(outputs[row], column)[:-1]
            expected = middles[column] @ shares / shares.sum()
            assert mean[row, column].item() == pytest.approx(expected)
            assert likeliest[row, column] == CELLS[column].low[shares.argmax()]


def test_draws_follow_the_probabilities_and_are_uniform_within_a_cell():
    outputs, n = draw_outputs(), 20_000
    draws = build().sample(outputs.expand(n, -1), torch.Generator().manual_seed(1)).numpy()
    amounts, grades = draws.T
    assert set(np.unique(grades)) == {10, 12, 13, 14, 15}
    within = amounts[(amounts != 0) & (amounts != 7.25)]
    assert stats.kstest(within, stats.uniform(1, 2).cdf).pvalue > 1e-3
    together = np.unique(grades[grades > 10], return_counts=True)[1]
    assert stats.chisquare(together).pvalue > 1e-3
    for column in range(2):
        found = np.bincount([cell_of(column, value)[0] for value in draws[:, column]])
        shares = probabilities(outputs, column)[:-1]
        assert stats.chisquare(found, n * shares / shares.sum()).pvalue > 1e-3


def test_inputs_are_indicators_beside_standardised_values():
    inputs = build().standardize(torch.from_numpy(PROBED))
    assert inputs.shape == (len(PROBED), 6 + 2)
    for row, values in zip(inputs, PROBED, strict=True):
        expected = np.zeros(6)
        for column, first in enumerate([0, 4]):
            place, _ = cell_of(column, values[column])
            if place is not None:
                expected[first + place] = 1
        np.testing.assert_array_equal(row[:6], expected)
    standardised = (PROBED[:, 1] - GRADES.mean()) / GRADES.std()
    np.testing.assert_allclose(inputs[:, 7], standardised)
    assert inputs[:, 6].abs().max() == 20  # a wild value does not blow up the encoder


def test_amounts_are_measured_in_standard_deviations():
    outputs, density, x = draw_outputs(8), build(), torch.from_numpy(X)
    assert density.n_measured == density.measured(x).shape[1] == 2
    np.testing.assert_allclose(density.measured(x)[:, 1].std(correction=0), 1)
    deviation = (x - density.mean(outputs))[:, 1] / GRADES.std()
    np.testing.assert_allclose(density.residuals(x, outputs)[:, 1], deviation)


def test_names_are_measured_by_indicators_of_unit_variance_and_by_surprise():
    outputs, density = draw_outputs(8), build(nominal=True, dense=False)
    x = torch.from_numpy(X)
    measured = density.measured(x)
    assert density.n_measured == measured.shape[1] == 6
    for own in measured.split(SIZES, 1):
        assert own.var(0, correction=0).sum().item() == pytest.approx(1)
    surprise = density.residuals(x, outputs).square()
    torch.testing.assert_close(surprise, -density.log_prob(outputs, x))


def test_points_are_the_values_that_occur():
    cells = points(np.array([3.0, -1, 3, 3], dtype=np.float32))
    assert cells.low.tolist() == cells.high.tolist() == [-1, 3]
    assert cells.counts.tolist() == [1, 3]
    assert (cells.grid, cells.low.dtype) == (0.0, np.float64)


def test_all_weights_are_finite_and_restore_the_module():
    density = build()
    assert all(weights.isfinite().all() for weights in density.state_dict().values())
    other = CellsModule(
        Histogram(), X[::-1] + 5, CELLS[::-1], SIZES, nominal=False, dense=True
    ).double()
    other.load_state_dict(density.state_dict())
    outputs, x = draw_outputs(len(PROBED)), torch.from_numpy(PROBED)
    assert torch.equal(other.log_prob(outputs, x), density.log_prob(outputs, x))
    assert torch.equal(other.standardize(x), density.standardize(x))
