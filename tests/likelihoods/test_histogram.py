"""The histogram likelihood: total mass, bins, grids, draws and units of any column."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

import skvae
from skvae import VAETransformer
from skvae.likelihoods import Histogram
from skvae.networks import MLP

RNG = np.random.default_rng(0)
AMOUNTS = np.where(RNG.random(1000) < 0.3, 0.0, RNG.lognormal(3, 1, 1000))
CENTS = AMOUNTS.round(2)
AGES = RNG.binomial(90, 0.4, 1000).astype(float)  # more different values than "auto" has bins
GRADES = RNG.integers(1, 7, 1000).astype(float)
MODES = np.concatenate([RNG.normal(-5, 0.1, 500), RNG.normal(3, 1, 500)])
COLUMNS = {"amounts": AMOUNTS, "cents": CENTS, "ages": AGES, "grades": GRADES, "modes": MODES}
every_column = pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)


def build(column, n_bins="auto"):
    return Histogram(n_bins=n_bins).build(np.asarray(column)[:, None]).double()


def log_prob(density, values, outputs=None):
    """Log-density of the values of one column, by default at outputs of zero."""
    x = torch.from_numpy(np.atleast_1d(values).astype(np.float64))[:, None]
    outputs = torch.zeros(density.n_outputs).double() if outputs is None else outputs
    return density.log_prob(outputs.expand(len(x), -1), x)[:, 0].numpy()


def draw_outputs(density, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(density.n_outputs, dtype=torch.float64, generator=generator)


def bounds(density):
    return density.low[0].numpy(), density.high[0].numpy()


def n_within(low, high, values):
    """Number of values within each bin."""
    pairs = zip(low, high, strict=True)
    return np.array([np.count_nonzero((a <= values) & (values <= b)) for a, b in pairs])


def elsewhere(density, outputs=None):
    """The Cauchy part, of which the share is read from a value far beyond all bins."""
    low, high = bounds(density)
    half = (high[-1] - low[0]) / 2 or 1.0
    form = stats.cauchy((low[0] + high[-1]) / 2, half)
    far = high[-1] + 10 * half
    share = np.exp(log_prob(density, far, outputs)[0] - form.logpdf(far))
    return lambda x: share * form.pdf(x), share


@every_column
def test_density_and_atoms_integrate_to_one(column):
    density = build(column)
    outputs = draw_outputs(density)
    low, high = bounds(density)
    cauchy, _ = elsewhere(density, outputs)

    def p(x):
        return float(np.exp(log_prob(density, x, outputs)[0]))

    atoms = low[low == high]
    total = sum(p(x) - cauchy(x) for x in atoms)
    edges = np.unique([*low, *high])
    total += sum(integrate.fixed_quad(np.vectorize(p), *ends)[0] for ends in pairwise(edges))
    total += integrate.quad(p, -np.inf, edges[0])[0] + integrate.quad(p, edges[-1], np.inf)[0]
    assert total == pytest.approx(1, abs=1e-6)


@st.composite
def columns(draw, grids=(0, 2, None), most_spikes=3):
    """Columns of any kind: whole numbers, decimals or fractions, with frequent values or none."""
    n_rows = draw(st.sampled_from([2, 3, 30, 300]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = draw(st.sampled_from([rng.normal, rng.standard_cauchy, rng.random]))(size=n_rows)
    values = draw(st.floats(1e-3, 1e6)) * values + draw(st.floats(-1e6, 1e6))
    if (decimals := draw(st.sampled_from(grids))) is not None:
        values = values.round(decimals)
    for share in draw(st.lists(st.floats(0, 0.6), max_size=most_spikes)):
        values[rng.random(n_rows) < share] = values[rng.integers(n_rows)]
    return values.astype(draw(st.sampled_from([np.float32, np.float64])))


numbers_of_bins = st.one_of(st.just("auto"), st.integers(2, 40))


@given(column=columns(), n_bins=numbers_of_bins, seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_bins_of_any_column_hold_all_rows_and_have_mass_one(column, n_bins, seed):
    density = build(column, n_bins)
    (low, high), outputs = bounds(density), draw_outputs(density, seed)
    most = 1.5 * (n_bins if n_bins != "auto" else 12)
    assert len(low) == density.n_outputs == density.spec.n_bins[0] <= most
    assert (low <= high).all()
    assert (high[:-1] <= low[1:]).all()
    start = np.exp(density.start.numpy()) * (len(column) + 1)
    held = n_within(low, high, column)
    np.testing.assert_allclose(start, held)
    assert sum(held) == len(column)
    cauchy, others = elsewhere(density, outputs)
    middle, width = (low + high) / 2, high - low
    mass = (np.exp(log_prob(density, middle, outputs)) - cauchy(middle)) * np.where(width, width, 1)
    assert mass.sum() + others == pytest.approx(1, abs=1e-4)


@given(column=columns(), n_bins=numbers_of_bins)
@settings(max_examples=60, deadline=None)
def test_draws_of_any_column_lie_on_its_grid_and_within_its_range(column, n_bins):
    density = build(column, n_bins)
    outputs = torch.zeros(500, density.n_outputs)
    draws = density.sample(outputs, torch.Generator().manual_seed(0)).numpy()
    drawn = draws.astype(column.dtype)
    assert column.min() <= drawn.min() <= drawn.max() <= column.max()
    for decimals in (0, 2):
        grid = column.astype(float).round(decimals)
        is_exact = np.finfo(column.dtype).eps * np.abs(column).max() <= 0.1**decimals
        if is_exact and (grid.astype(column.dtype) == column).all():
            np.testing.assert_allclose(draws, draws.round(decimals), rtol=1e-15)
            break
    mean = density.mean(outputs[:1]).numpy().astype(column.dtype)
    slack = 1e-14 * np.abs(column).max()
    assert column.min() - slack <= mean <= column.max() + slack


@given(column=columns([None], 0), n_bins=numbers_of_bins, share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_there_are_no_holes_between_the_bins_of_a_continuous_column(column, n_bins, share):
    assume(len(np.unique(column)) == len(column))
    density = build(column, n_bins)
    (low, high), (cauchy, _) = bounds(density), elsewhere(density)
    np.testing.assert_array_equal(high[:-1], low[1:])
    ends = np.float64(column.min()), np.float64(column.max())
    value = float(np.clip((1 - share) * ends[0] + share * ends[1], *ends))
    assert np.exp(log_prob(density, value)[0]) > 1.01 * cauchy(value)


@given(column=columns(), n_bins=numbers_of_bins)
@settings(max_examples=40, deadline=None)
def test_the_spec_of_a_model_restores_its_shapes_from_two_rows(column, n_bins):
    density = build(column, n_bins)
    restored = density.spec.build(np.array([[0.0], [1.0]], dtype=np.float32))
    shapes = [{name: w.shape for name, w in m.state_dict().items()} for m in (density, restored)]
    assert shapes[0] == shapes[1]
    assert repr(restored.spec) == repr(density.spec)
    restored.double().load_state_dict(density.state_dict())
    np.testing.assert_array_equal(log_prob(restored, column), log_prob(density, column))


@every_column
def test_draws_follow_the_density(column):
    density, n = build(column), 20_000
    outputs = draw_outputs(density)
    low, high = bounds(density)
    draws = density.sample(outputs.expand(n, -1), torch.Generator().manual_seed(1))[:, 0].numpy()
    found = n_within(low, high, draws)
    cauchy, others = elsewhere(density, outputs)
    width = np.where(high > low, high - low, 1)
    middle = (low + high) / 2
    shares = (np.exp(log_prob(density, middle, outputs)) - cauchy(middle)) * width / (1 - others)
    assert stats.chisquare(found, n * shares / shares.sum()).pvalue > 1e-3
    error = draws.std() / np.sqrt(n)
    assert abs(draws.mean() - density.mean(outputs[None]).item()) < 5 * error


def test_a_frequent_value_has_a_bin_of_its_own():
    n_zeros = np.count_nonzero(AMOUNTS == 0)
    atom, cents = build(AMOUNTS), build(CENTS)
    assert np.exp(log_prob(atom, 0.0)[0]) == pytest.approx(n_zeros / 1001, rel=1e-3)
    n_zeros = np.count_nonzero(CENTS == 0)
    assert np.exp(log_prob(cents, 0.0)[0]) == pytest.approx(n_zeros / 1001 * 100, rel=1e-3)
    least = AMOUNTS[AMOUNTS > 0].min()
    assert log_prob(atom, least / 2)[0] < log_prob(atom, least * 3)[0] < 0
    draws = atom.sample(torch.zeros(5000, atom.n_outputs), torch.Generator().manual_seed(0))
    share = n_zeros / 1000
    assert abs((draws == 0).double().mean() - share) < 5 * np.sqrt(share * (1 - share) / 5000)


def test_a_closed_set_of_whole_numbers_has_a_bin_for_each():
    density = build(GRADES)
    assert density.spec.n_bins == [6]
    frequencies = np.bincount(GRADES.astype(int))[1:] / 1001
    found = np.exp(log_prob(density, np.arange(1.0, 7)))
    cauchy, _ = elsewhere(density)
    np.testing.assert_allclose(found, frequencies + cauchy(np.arange(1.0, 7)))
    low, high = bounds(density)
    assert low.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert high.tolist() == [1.5, 2.5, 3.5, 4.5, 5.5, 6.5]


def test_bins_of_other_values_have_equal_numbers_of_rows_halved_towards_the_ends():
    density = build(MODES, 20)
    counts = np.exp(density.start.numpy()) * 1001
    assert density.spec.n_bins == [20]
    tail = [1000 / 64, 1000 / 64, 1000 / 32]  # of 16 equal bins, the ends in three parts
    np.testing.assert_allclose(counts, [*tail, *[1000 / 16] * 14, *tail[::-1]], atol=1)


@pytest.mark.parametrize(("n_rows", "n_bins"), [(100, 8), (1000, 40), (5000, 100)])
def test_auto_is_one_bin_for_25_rows_within_limits(n_rows, n_bins):
    assert build(RNG.normal(size=n_rows)).spec.n_bins == [n_bins]


def test_columns_have_bins_of_their_own_number():
    X = np.column_stack([GRADES, MODES, np.ones(1000)])
    density = Histogram().build(X)
    assert density.spec.n_bins == [6, 40, 1]
    assert density.n_outputs == 47
    assert density.n_inputs == 50


def test_inputs_are_an_indicator_beside_the_standardised_value():
    X = np.column_stack([GRADES, MODES])
    inputs = Histogram().build(X).standardize(torch.from_numpy(X)).numpy()
    np.testing.assert_array_equal(inputs[:, :6], np.eye(6)[GRADES.astype(int) - 1])
    np.testing.assert_array_equal(inputs[:, 6:46].sum(1), 1)
    np.testing.assert_allclose(inputs[:, 46:].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(inputs[:, 46:].std(0), 1)


@pytest.mark.parametrize("factor", [8, 2.0**-10])
def test_a_change_of_units_moves_the_log_density_by_its_jacobian(factor):
    before, after = build(MODES), build(factor * MODES)
    moved = log_prob(after, factor * MODES) + np.log(factor)
    np.testing.assert_allclose(moved, log_prob(before, MODES))


def test_a_coarser_grid_moves_the_log_density_by_its_step():
    values, tenfold = CENTS, (10 * CENTS).round(1)
    moved = log_prob(build(tenfold), tenfold) + np.log(10)
    np.testing.assert_allclose(moved, log_prob(build(values), values))
    assert build(values).grid.item() == 10 * build(tenfold).grid.item() == 100


@pytest.mark.parametrize("column", [CENTS, MODES, AGES], ids=["cents", "modes", "ages"])
def test_single_precision_has_the_bins_of_double(column):
    single = column.astype(np.float32)
    bins = [bounds(build(values))[0] for values in (single, column)]
    np.testing.assert_allclose(*bins, rtol=1e-6, atol=1e-6)
    scores = [log_prob(build(values), values) for values in (single, column)]
    np.testing.assert_allclose(*scores, rtol=1e-5, atol=1e-4)
    assert build(single).grid.item() == build(column).grid.item()


TIGHT = 1 + RNG.integers(0, 50, 300) * 2.0**-52  # differ in the last bits
ODD = {
    "constant": np.full(50, 3.7),
    "constant and huge": np.full(50, 1e12),
    "two rows": np.array([1.0, 2.5]),
    "one row": np.array([0.3]),
    "signed zeros": np.array([-0.0, 0.0, -0.0, 1.0, 0.5]),
    "huge whole numbers": 1e12 + RNG.integers(0, 10**6, 300),
    "beyond the whole numbers of double precision": 1e17 * RNG.integers(1, 1000, 300),
    "huge fractions": 1e12 * RNG.random(300),
    "tiny": 1e-12 * RNG.random(300),
    "differing in the last bits": TIGHT,
    "magnitudes": 10.0 ** RNG.uniform(-9, 12, 300),
    "one wild value": np.r_[RNG.normal(size=299), 1e15],
}


@pytest.mark.parametrize("column", ODD.values(), ids=ODD)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_odd_columns_have_finite_scores_and_draws_within_their_range(column, dtype):
    column = column.astype(dtype)
    density = build(column)
    x = np.concatenate([column, [-1e30, 0.0, 0.123, 1e30, 1e300]])
    inside, outside = np.split(log_prob(density, x), [len(column)])
    assert np.isfinite(inside).all()
    assert np.isfinite(outside).all()
    cauchy, _ = elsewhere(density)
    assert (inside > np.log(cauchy(column.astype(float)))).all()
    inputs = density.standardize(torch.from_numpy(x)[:, None])
    assert inputs.isfinite().all()
    outputs = torch.zeros(1000, density.n_outputs)
    draws = density.sample(outputs, torch.Generator().manual_seed(0)).numpy().astype(dtype)
    assert column.min() <= draws.min() <= draws.max() <= column.max()
    assert not np.signbit(draws[draws == 0]).any()


def test_an_unseen_value_is_unlikely_and_not_impossible():
    density = build(GRADES)
    assert density.support is None
    unseen = log_prob(density, [0.4, -3, 0, 7, 1e9])
    assert np.isfinite(unseen).all()
    assert unseen.max() < log_prob(density, GRADES).min()
    assert (np.diff(log_prob(density, [10.0, 100, 1000, 1e6])) < 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_draws_values_like_those_of_training_and_is_saved(dtype, tmp_path):
    X = np.column_stack([AMOUNTS, CENTS, AGES, GRADES]).astype(dtype)
    vae = VAETransformer(
        2, network=MLP(hidden_layer_sizes=(16,)), likelihood="histogram", max_epochs=3
    )
    vae.set_params(random_state=0).fit(X)
    draws = vae.sample(500, random_state=0)
    assert draws.dtype == dtype
    assert (X.min(0) <= draws.min(0)).all()
    assert (draws.max(0) <= X.max(0)).all()
    np.testing.assert_array_equal(draws[:, 1], draws[:, 1].astype(float).round(2).astype(dtype))
    np.testing.assert_array_equal(draws[:, 2:], draws[:, 2:].round())
    assert 0.2 < np.mean(draws[:, 0] == 0) < 0.4
    skvae.save(vae, tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae")
    assert repr(loaded.module_.parts.likelihood) == repr(vae.module_.parts.likelihood)
    np.testing.assert_array_equal(loaded.score_samples(X), vae.score_samples(X))
    np.testing.assert_array_equal(loaded.sample(500, random_state=0), draws)


@pytest.mark.parametrize(
    ("n_bins", "message"),
    [
        (1, "'n_bins' parameter of Histogram"),
        (2**12 + 1, "'n_bins' parameter of Histogram"),
        ("many", "'n_bins' parameter of Histogram"),
        ([3, 0], r"'n_bins' parameter of Histogram .* from 1 to 4096, got \[3, 0\]"),
        ([3], "'n_bins' parameter of Histogram has 1 numbers, but X has 2 columns. Pass one"),
    ],
)
def test_invalid_numbers_of_bins_raise(n_bins, message):
    with pytest.raises(ValueError, match=message):
        Histogram(n_bins=n_bins).build(np.zeros((4, 2)))


@pytest.mark.parametrize("column", [AMOUNTS + 0.1, MODES], ids=["amounts", "modes"])
def test_rows_in_single_precision_are_in_the_bins_of_their_values_in_double(column):
    """Rounding moves neither the ends of the range nor a frequent value out of its bin."""
    density = build(column)
    rows = torch.from_numpy(column)[:, None]
    outputs = torch.zeros(len(column), density.n_outputs).double()
    double, single = (density.log_prob(outputs, x)[:, 0] for x in (rows, rows.float()))
    np.testing.assert_allclose(single.double(), double, rtol=1e-5)
