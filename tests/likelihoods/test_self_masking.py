"""SelfMaskingGaussian: probabilities against numerical integrals, and gaps that it explains."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm
from sklearn.datasets import load_iris

import skvae
from skvae import VAEAnomalyDetector, VAEImputer, VAETransformer
from skvae._scaling import filled_by_ranks
from skvae.likelihoods import Gaussian, SelfMaskingGaussian
from skvae.networks import MLP
from tests.helpers import quick_parameters

nan = np.nan
rng = np.random.default_rng(0)
N_ROWS = 500
Z = rng.normal(size=(N_ROWS, 1))
TRUTH = 100 + 10 * (Z * [1.0, -1.0, 0.8] + 0.4 * rng.normal(size=(N_ROWS, 3)))


def masked(slope, X=TRUTH, column=0, seed=1):
    """Return rows with gaps in one column by a logistic of its standardised values."""
    z = (X[:, column] - X[:, column].mean()) / X[:, column].std()
    rows = X.copy()
    rows[np.random.default_rng(seed).random(len(X)) < expit(slope * z), column] = nan
    return rows


STEEP, GENTLE = 1e6, 3.0


@pytest.fixture(scope="module", params=["shared", "per_sample", 2.0])
def module(request):
    spec = SelfMaskingGaussian(noise=request.param, scaling="feature")
    rows = masked(GENTLE)
    return spec.build_with_gaps(rows, filled_by_ranks(rows)).double()


@pytest.fixture
def outputs(module):
    n_outputs = module.n_outputs
    return torch.linspace(-1.5, 1.0, 3 * n_outputs, dtype=torch.float64).reshape(3, n_outputs)


def moments(module, outputs):
    with torch.no_grad():
        mean, variance = module._moments(outputs)
        scale, loc = module.scale[0].item(), module.loc[0].item()
        means = mean[:, 0].numpy() * scale + loc
        deviations = np.broadcast_to(variance.sqrt().numpy() * module.scale.numpy(), mean.shape)
    return means, deviations[:, 0]


def probability_of_missing(module, x):
    slope, intercept = module.slope[0].item(), module.intercept[0].item()
    return norm.cdf(slope * (x - module.loc[0].item()) / module.scale[0].item() - intercept)


def test_missing_values_are_integrated_out(module, outputs):
    with torch.no_grad():
        found = module.log_missing(outputs).exp().numpy()
    for row, (mean, deviation) in enumerate(zip(*moments(module, outputs), strict=True)):
        ends = mean - 12 * deviation, mean + 12 * deviation

        def missing(x, mean=mean, deviation=deviation):
            return norm.pdf(x, mean, deviation) * probability_of_missing(module, x)

        def observed(x, row=row):
            at = torch.full((1, 3), x, dtype=torch.float64)
            with torch.no_grad():
                return module.log_prob(outputs[row : row + 1], at)[0, 0].exp().item()

        expected = quad(missing, *ends, points=[mean], limit=200)[0]
        assert_allclose(found[row, 0], expected, rtol=1e-6)
        assert_allclose(quad(observed, *ends, points=[mean], limit=200)[0], 1 - expected, rtol=1e-6)
    assert_array_equal(found[:, 1:], 1.0)  # columns without gaps


def test_filled_values_are_the_expectations_of_missing_ones(module, outputs):
    weights = torch.tensor([[0.2, 0.5, 0.3]], dtype=torch.float64)
    with torch.no_grad():
        filled = module.mean_of_draws(outputs[None], weights)[0].numpy()
    expected = []
    for mean, deviation in zip(*moments(module, outputs), strict=True):
        ends = mean - 12 * deviation, mean + 12 * deviation

        def missing(x, mean=mean, deviation=deviation):
            return norm.pdf(x, mean, deviation) * probability_of_missing(module, x)

        total = quad(missing, *ends, points=[mean], limit=200)[0]
        first = quad(lambda x, f=missing: x * f(x), *ends, points=[mean], limit=200)[0]
        expected.append(first / total)
    assert_allclose(filled[0], weights[0].numpy() @ expected, rtol=1e-6)
    with torch.no_grad():
        plain = (weights[0] @ module.mean(outputs)).numpy()
    assert_allclose(filled[1:], plain[1:], rtol=1e-12)


def test_draws_of_missing_values_have_their_mean_and_spread(module, outputs):
    many = outputs[:1].expand(200_000, -1)
    with torch.no_grad():
        draws = module.sample_missing(many, torch.Generator().manual_seed(0))[:, 0].numpy()
        expected = module.mean_of_draws(outputs[None, :1], torch.ones(1, 1))[0, 0].item()
    mean, deviation = (part[0] for part in moments(module, outputs))

    def missing(x):
        return norm.pdf(x, mean, deviation) * probability_of_missing(module, x)

    ends = mean - 12 * deviation, mean + 12 * deviation
    total = quad(missing, *ends, points=[mean], limit=200)[0]
    second = quad(lambda x: (x - expected) ** 2 * missing(x), *ends, points=[mean], limit=200)[0]
    assert_allclose(draws.mean(), expected, atol=6 * deviation / np.sqrt(len(draws)))
    assert_allclose(draws.std(), np.sqrt(second / total), rtol=0.02)


@pytest.mark.parametrize("value", [1e8, -1e8, 1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_values_and_means_have_finite_probabilities_and_draws(value, dtype):
    rows = masked(STEEP)
    spec = SelfMaskingGaussian(scaling="feature")
    module = spec.build_with_gaps(rows, filled_by_ranks(rows)).to(dtype)
    zeros, far = torch.zeros(2, 3, dtype=dtype), torch.full((2, 3), value, dtype=dtype)
    with torch.no_grad():
        assert module.log_prob(zeros, far).isfinite().all()
        for outputs in (far.clamp(max=1e8), -far.clamp(max=1e8)):
            assert module.log_missing(outputs).isfinite().all()
            assert module.sample_missing(outputs).isfinite().all()
            assert module.mean_of_draws(outputs[:, None], torch.ones(2, 1)).isfinite().all()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("slope", [STEEP, GENTLE])
@pytest.mark.parametrize("units", [1.0, 1e-6])
def test_the_side_of_missing_values_is_found(sign, slope, units):
    rows = masked(sign * slope, TRUTH * units)
    module = SelfMaskingGaussian().build_with_gaps(rows, filled_by_ranks(rows))
    assert np.sign(module.slope[0].item()) == sign
    assert bool(module.has_edge[0]) == (slope == STEEP)
    assert_array_equal(module.is_masked, [True, False, False])
    # centre and scale are those of the whole column, not of its observed part
    assert abs(module.loc[0].item() / units - TRUTH[:, 0].mean()) < 3
    assert abs(module.loc[0].item() / units - TRUTH[:, 0].mean()) < 0.5 * abs(
        np.nanmean(rows[:, 0]) / units - TRUTH[:, 0].mean()
    )


def test_gaps_at_random_have_neither_edge_nor_side():
    rows = masked(0.0)
    module = SelfMaskingGaussian().build_with_gaps(rows, filled_by_ranks(rows))
    assert not module.has_edge.any()
    assert abs(module.slope[0].item()) < 0.2


@pytest.mark.parametrize(
    ("sign", "slope"), [(1, STEEP), pytest.param(-1, GENTLE, marks=pytest.mark.slow)]
)
def test_imputed_values_reach_beyond_the_observed_ones(sign, slope):
    rows = masked(sign * slope)
    gaps = np.isnan(rows)
    errors = {}
    for mechanism in ("mar", "self_masking"):
        imputer = VAEImputer(1, mechanism=mechanism, n_estimators=1, max_epochs=40, random_state=0)
        filled = imputer.fit_transform(rows)
        errors[mechanism] = np.sqrt(np.mean((filled - TRUTH)[gaps] ** 2))
        copies = imputer.impute(rows, 20, random_state=0)
        assert_allclose(copies.mean(axis=0)[gaps].mean(), filled[gaps].mean(), atol=1.0)
    assert errors["self_masking"] < 0.85 * errors["mar"]


@pytest.mark.slow
def test_gaps_at_random_are_filled_about_as_well_as_by_a_model_that_assumes_so():
    rows = masked(0.0)
    errors = {}
    for mechanism in ("mar", "self_masking"):
        imputer = VAEImputer(1, mechanism=mechanism, n_estimators=1, max_epochs=40, random_state=0)
        gaps = np.isnan(rows)
        errors[mechanism] = np.mean((imputer.fit_transform(rows) - TRUTH)[gaps] ** 2)
    assert errors["self_masking"] < 1.1 * errors["mar"]


def test_without_gaps_it_is_a_gaussian():
    X, _ = load_iris(return_X_y=True)
    scores = [
        VAETransformer(2, likelihood=spec, max_epochs=3, random_state=0).fit(X).score_samples(X)
        for spec in (Gaussian(), SelfMaskingGaussian())
    ]
    assert_allclose(scores[0], scores[1])


@pytest.mark.parametrize("estimator_class", [VAETransformer, VAEAnomalyDetector])
def test_other_estimators_take_it_too(estimator_class, tmp_path):
    rows = masked(STEEP)[:100]
    parameters = quick_parameters(estimator_class) | {"likelihood": SelfMaskingGaussian()}
    estimator = estimator_class(max_epochs=5, **parameters).fit(rows)
    scores = estimator.score_samples(rows)
    assert np.isfinite(scores).all()
    skvae.save(estimator, tmp_path / "model.skvae")
    assert_array_equal(skvae.load(tmp_path / "model.skvae").score_samples(rows), scores)
    assert_array_equal(pickle.loads(pickle.dumps(estimator)).score_samples(rows), scores)
    assert np.isfinite(estimator.sample(10)).all()


def test_a_gaussian_is_replaced_and_other_likelihoods_raise():
    rows = masked(STEEP)
    imputer = VAEImputer(
        1,
        mechanism="self_masking",
        likelihood=Gaussian(noise="shared"),
        network=MLP(hidden_layer_sizes=(8,)),
        n_estimators=1,
        max_epochs=1,
    )
    spec = imputer.fit(rows).module_.likelihood.spec
    assert isinstance(spec, SelfMaskingGaussian)
    assert spec.noise == "shared"
    with pytest.raises(ValueError, match="needs a Gaussian likelihood, got StudentT"):
        imputer.set_params(likelihood="student_t").fit(rows)
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"job": ["a", None, "b", "a"], "income": [1.0, 2.0, nan, 4.0]})
    with pytest.raises(ValueError, match="Pass columns of numbers"):
        imputer.set_params(likelihood="auto").fit(frame)
