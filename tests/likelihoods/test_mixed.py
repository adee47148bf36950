"""The mixed likelihood: its parts, the order of its columns, and its errors."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.base import clone

import skvae
from skvae import VAETransformer
from skvae._validation import InvalidParameterError
from skvae.likelihoods import (
    Bernoulli,
    Categorical,
    Gaussian,
    Likelihood,
    Mixed,
    Poisson,
    StudentT,
)
from skvae.networks import MLP

RNG = np.random.default_rng(0)
X = np.column_stack(
    [
        RNG.integers(0, 3, 60),
        RNG.normal(170, 8, 60),
        RNG.poisson(4, 60),
        RNG.random(60) < 0.3,
        RNG.normal(-5, 0.1, 60),
    ]
).astype(np.float64)
COLUMNS = [
    ("gaussian", [4, 1]),
    (Categorical(n_categories=3, ordered=False), [0]),
    ("poisson", slice(2, 3)),
    (Bernoulli(), [3]),
]


@pytest.fixture
def density():
    return Mixed(columns=COLUMNS).build(X).double()


def draw_outputs(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, 7, dtype=torch.float64, generator=generator)


def blocks(outputs):
    """Each part built separately, with its own outputs and columns."""
    specs = [Gaussian(), Categorical(n_categories=3, ordered=False), Poisson(), Bernoulli()]
    columns = [[4, 1], [0], [2], [3]]
    own = [[4, 1], [0, 5, 6], [2], [3]]  # one of each column, then the other two of column 0
    for spec, places, which in zip(specs, own, columns, strict=True):
        yield spec.build(X[:, which]).double(), outputs[..., places], which


def test_log_prob_of_a_column_is_that_of_its_own_likelihood(density):
    outputs, x = draw_outputs(60), torch.from_numpy(X)
    log_prob = density.log_prob(outputs, x)
    assert log_prob.shape == (60, 5)
    for part, own, which in blocks(outputs):
        expected = part.log_prob(own, x[:, which])
        torch.testing.assert_close(log_prob[:, which], expected.to(log_prob.dtype))


def test_log_prob_of_a_row_by_hand():
    rows = np.array([[1.0, 2.0], [0.0, 6.0]])
    density = Mixed(columns=[("poisson", [1]), ("bernoulli", [0])]).build(rows).double()
    outputs = torch.zeros(1, 2, dtype=torch.float64)
    log_prob = density.log_prob(outputs, torch.from_numpy(rows[:1]))[0].tolist()
    assert log_prob == pytest.approx([np.log(0.5), stats.poisson(4).logpmf(2)])


@pytest.mark.parametrize(
    "likelihood", [Bernoulli(), Categorical(n_categories=3), Gaussian(noise="per_sample")], ids=str
)
def test_two_groups_with_one_likelihood_equal_one_group(likelihood):
    """So that a network for images, whose outputs have a fixed order, decodes pixels in place."""
    rows = np.tile(np.eye(2), (3, 3))  # (6, 6), the same values in every column, in two orders
    alone = likelihood.build(rows).double()
    grouped = (
        Mixed(columns=[(likelihood, [3, 1, 5]), (clone(likelihood), [4, 0, 2])])
        .build(rows)
        .double()
    )
    assert grouped.n_outputs == alone.n_outputs
    outputs = torch.randn(
        6, alone.n_outputs, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    x = torch.from_numpy(rows)
    torch.testing.assert_close(grouped.log_prob(outputs, x), alone.log_prob(outputs, x))
    torch.testing.assert_close(grouped.mean(outputs), alone.mean(outputs))


def test_means_and_inputs_have_the_order_of_the_columns(density):
    outputs, x = draw_outputs(60), torch.from_numpy(X)
    mean, inputs = density.mean(outputs), density.standardize(x)
    for part, own, which in blocks(outputs):
        torch.testing.assert_close(mean[:, which], part.mean(own).double())
        torch.testing.assert_close(inputs[:, which], part.standardize(x[:, which]))


def test_draws_of_a_column_follow_its_likelihood(density):
    outputs, n = draw_outputs(), 20_000
    with torch.no_grad():
        draws = density.sample(outputs.expand(n, -1), torch.Generator().manual_seed(1)).numpy()
        mean = density.mean(outputs).numpy()
    assert set(np.unique(draws[:, 0])) == {0, 1, 2}
    assert set(np.unique(draws[:, 3])) == {0, 1}
    assert np.all(draws[:, 2] == np.rint(draws[:, 2]))
    amounts = [1, 2, 3, 4]
    errors = draws.std(0) / np.sqrt(n)
    assert np.all(np.abs(draws.mean(0) - mean)[amounts] < 5 * errors[amounts])
    assert np.bincount(draws[:, 0].astype(int)).argmax() == mean[0]


@pytest.mark.parametrize(
    "columns",
    [
        {"gaussian": [1, 4], "poisson": 2, Bernoulli(): [3], Categorical(n_categories=3): [0]},
        (("gaussian", np.array([1, -1])), ("poisson", [0, 2]), ("bernoulli", slice(3, 4))),
        [("gaussian", X[0] < -1e9), ("student_t", slice(None))][1:],
    ],
    ids=["dict", "tuple", "slice"],
)
def test_columns_as_dict_tuple_or_slice_are_accepted(columns):
    density = Mixed(columns=columns).build(X)
    settled = sorted(column for _, which in density.spec.columns for column in which)
    assert settled == [0, 1, 2, 3, 4]
    log_prob = density.log_prob(torch.zeros(60, density.n_outputs), torch.from_numpy(X))
    assert log_prob.shape == (60, 5)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([("gaussian", [0, 1])], r"columns \[2, 3, 4\] belong to none"),
        ([("gaussian", slice(None)), ("poisson", [2])], r"columns \[2\] belong to several"),
        (
            [("gaussian", [0, 1, 2, 3, 4, 5])],
            r"has \[0, 1, 2, 3, 4, 5\] as positions.*but X has 5 columns",
        ),
        ([("gaussian", slice(None)), ("poisson", [])], r"has \[\] as positions"),
        ([("gaussian", ["height"])], "'height' as the name of a column, but .* without names"),
        ([("gaussian", "height")], "'height' as the name .*Correct the name, and pass a data f"),
        ([("gaussian", 5)], "has 5 as positions .* X has 5 columns. Pass integers from 0"),
        ([("normal", slice(None))], r"got 'normal' instead of a likelihood.*'gaussian'"),
        ([(Gaussian, slice(None))], "instead of a likelihood. Pass a configured one"),
        ([(StudentT(df=-1), slice(None))], "'df' parameter of StudentT"),
        (3, "'columns' parameter of Mixed"),
    ],
)
def test_invalid_columns_raise(columns, message):
    with pytest.raises(ValueError, match=message):
        Mixed(columns=columns).build(X)


def test_a_column_outside_the_support_is_named():
    columns = [("gaussian", [0, 3, 4]), ("poisson", [2, 1])]
    message = r"Poisson\(\) accepts whole numbers from 0 on, but column 1 of X holds .* in row 0, "
    with pytest.raises(ValueError, match=message):
        Mixed(columns=columns).build(X)
    with pytest.raises(ValueError, match=r"Bernoulli\(\) accepts values .* column 4 of X"):
        Mixed(columns=[("gaussian", [0, 1, 2]), ("bernoulli", [3, 4])]).build(X)


def test_the_support_names_an_invalid_column(density):
    density.support.check(X, "mixed")
    for column, value, name in ((0, 7, "Categorical"), (2, 0.5, "Poisson"), (3, 2, "Bernoulli")):
        rows = X.copy()
        rows[5, column] = value
        with pytest.raises(ValueError, match=rf"{name}\(.*column {column} of X holds .* row 5, "):
            density.support.check(rows, "mixed")


class Quarrelsome(Likelihood):
    """A user's own likelihood, which accepts any single column and no two together."""

    def build(self, X):
        if X.shape[1] > 1:
            raise ValueError("one at a time")
        return Gaussian().build(X)


def test_an_error_of_no_single_column_is_raised_unchanged():
    with pytest.raises(ValueError, match="^one at a time$"):
        Mixed(columns=[(Quarrelsome(), slice(None))]).build(X)


def test_choices_by_the_training_rows_are_in_the_spec():
    density = Mixed(
        columns=[("gaussian", [1, 4]), (Categorical(n_categories="auto"), [0, 2, 3])]
    ).build(X)
    (gaussian, _), (categorical, columns) = density.spec.columns
    assert (gaussian.noise, gaussian.scaling) == ("per_feature", "feature")
    n_levels = [len(np.unique(X[:, column])) for column in (0, 2, 3)]
    assert (categorical.n_categories, columns) == (n_levels, [0, 2, 3])
    assert repr(density.spec.build(X[:2]).spec) == repr(density.spec)


def test_binary_columns_are_redrawn_and_others_are_not():
    columns = [("gaussian", [0, 1, 2, 4]), (Bernoulli(binarize="dynamic"), [3])]
    density, x = Mixed(columns=columns).build(X), torch.from_numpy(X)
    x = x.repeat(50, 1)
    x[:, 3] = 0.25
    drawn = density.redraw(x, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn[:, [0, 1, 2, 4]], x[:, [0, 1, 2, 4]])
    assert set(drawn[:, 3].tolist()) == {0, 1}
    assert abs(drawn[:, 3].mean().item() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / len(x))
    torch.testing.assert_close(Mixed(columns=COLUMNS).build(X).redraw(x), x)


def test_a_clone_has_equal_and_separate_likelihoods():
    likelihood = Mixed(columns=COLUMNS)
    copied = clone(likelihood)
    assert repr(copied) == repr(likelihood)
    assert copied.columns[1][0] is not likelihood.columns[1][0]
    assert copied.get_params().keys() == {"columns", "kinds"}


def test_fit_does_not_change_the_likelihood_passed():
    likelihood = Mixed(columns=COLUMNS)
    before = repr(likelihood)
    VAETransformer(
        2, network=MLP(hidden_layer_sizes=(8,)), likelihood=likelihood, max_epochs=1
    ).fit(X)
    assert repr(likelihood) == before


def test_auto_chooses_by_the_values():
    vae = VAETransformer(
        2, network=MLP(hidden_layer_sizes=(8,)), likelihood="mixed", max_epochs=1, random_state=0
    )
    spec = vae.fit(X).module_.parts.likelihood
    kinds = {column: type(part).__name__ for part, which in spec.columns for column in which}
    assert kinds[1] == kinds[4] == "Gaussian"
    assert kinds[0] == kinds[3] == "Categorical"


def test_columns_written_as_a_slice_are_saved(tmp_path):
    vae = VAETransformer(
        2, network=MLP(hidden_layer_sizes=(8,)), likelihood=Mixed(columns=COLUMNS), max_epochs=1
    ).fit(X)
    skvae.save(vae, tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae")
    assert loaded.likelihood.columns[2] == ("poisson", slice(2, 3))
    np.testing.assert_array_equal(loaded.score_samples(X), vae.score_samples(X))


@pytest.mark.parametrize("entry", [Gaussian(), "gaussian", ("gaussian",), ("gaussian", [0], 1), 3])
def test_an_entry_that_is_no_pair_raises(entry):
    with pytest.raises(InvalidParameterError, match="pairs of a likelihood and its columns, got"):
        Mixed(columns=[("gaussian", [0]), entry]).validate()
