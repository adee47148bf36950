"""Properties of any fit: finite results, declared shapes, rows independent of one another."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

hypothesis = pytest.importorskip("hypothesis", reason="it makes the tables")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.extra import numpy as tables  # noqa: E402

from skvae import VAEAnomalyDetector, VAETransformer  # noqa: E402
from skvae.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian  # noqa: E402
from skvae.networks import MLP  # noqa: E402
from tests.helpers import FEW_TREES  # noqa: E402

UNIT_INTERVAL = (Bernoulli, ContinuousBernoulli)

shapes = st.tuples(st.integers(2, 30), st.integers(1, 8))
magnitudes = st.sampled_from([1e-20, 1e-3, 1.0, 1e3, 1e20])
networks = st.builds(
    MLP,
    hidden_layer_sizes=st.lists(st.integers(1, 9), max_size=3).map(tuple),
    activation=st.sampled_from(["relu", "tanh", "elu", "gelu", "silu", "leaky_relu"]),
    dropout=st.sampled_from([0.0, 0.3]),
)
likelihoods = st.one_of(
    st.builds(
        Gaussian,
        noise=st.sampled_from(["auto", "shared", "per_feature", "per_sample"]),
        scaling=st.sampled_from(["auto", "feature", "global", "none"]),
    ),
    st.builds(Bernoulli),
    st.builds(ContinuousBernoulli),
)


@st.composite
def fits(draw):
    """Draw rows and an estimator's settings that suit them."""
    likelihood = draw(likelihoods)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    if isinstance(likelihood, UNIT_INTERVAL):
        elements, scale = st.floats(0, 1, width=32), 1.0
    else:
        elements, scale = st.floats(-100, 100, width=32), draw(magnitudes)
    X = draw(tables.arrays(np.float64, shapes, elements=elements)) * scale
    parameters = {
        "n_components": draw(st.integers(1, 4)),
        "network": draw(networks),
        "likelihood": likelihood,
        "batch_size": draw(st.sampled_from(["auto", 1, 7])),
        "n_importance_samples": draw(st.sampled_from([1, 3, 16])),
        "max_epochs": draw(st.integers(1, 2)),
        "random_state": draw(st.integers(0, 10)),
    }
    return X.astype(dtype), parameters


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(fits())
def test_results_are_finite_and_of_the_declared_shapes(case):
    X, parameters = case
    n_samples, n_features = X.shape
    vae = VAETransformer(**parameters).fit(X)
    Z, (mean, std) = vae.transform(X), vae.posterior(X)
    answers = {
        "transform": (Z, (n_samples, vae.n_components)),
        "mean": (mean, (n_samples, vae.n_components)),
        "std": (std, (n_samples, vae.n_components)),
        "inverse_transform": (vae.inverse_transform(Z), X.shape),
        "reconstruct": (vae.reconstruct(X), X.shape),
        "sample": (vae.sample(3, random_state=0), (3, n_features)),
        "decoded sample": (vae.sample(3, random_state=0, mean=True), (3, n_features)),
        "score_samples": (vae.score_samples(X), (n_samples,)),
    }
    for name, (answer, shape) in answers.items():
        assert answer.shape == shape, name
        assert np.isfinite(answer).all(), name
        assert answer.dtype == (np.float64 if name == "score_samples" else X.dtype), name
    assert (std > 0).all()


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(fits(), st.randoms(use_true_random=False))
def test_the_result_of_a_row_does_not_depend_on_the_others(case, rng):
    X, parameters = case
    X = X.astype(np.float64)  # in single precision the last bits depend on the size of a product
    detector = VAEAnomalyDetector(**parameters, anomaly_score=FEW_TREES).fit(X)
    rows = [rng.randrange(len(X)) for _ in range(rng.randint(1, 6))]
    for method in (detector.score_samples, detector.reconstruct):
        together = method(X)
        scale = np.abs(together).max() or 1.0
        assert_allclose(method(X[rows]) / scale, together[rows] / scale, atol=1e-9)
