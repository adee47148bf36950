"""A weight counts as so many copies of a row, for every estimator and part."""

import pickle

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import Autosave, VAEAnomalyDetector, VAEImputer, VAETransformer
from skvae._rows.batches import training_rows
from skvae.networks import MLP
from skvae.objectives import BetaTCVAE
from tests.helpers import quick_parameters

ESTIMATORS = (VAETransformer, VAEAnomalyDetector, VAEImputer)
rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
WEIGHTS = rng.integers(0, 4, 40)
COPIES = rng.permutation(np.repeat(X, WEIGHTS, axis=0))

# all that looks at the training rows
CONFIGURATIONS = {
    "default": {},
    "early stopping": {"early_stopping": True, "max_epochs": 5, "validation_fraction": 0.3},
    "ex post": {"prior": "ex_post"},
    "vamp": {"prior": "vamp"},
    "mixture": {"prior": "mixture"},
    "flow": {"prior": "flow"},
    "tcvae": {"objective": BetaTCVAE()},
    "mixed": {"likelihood": "mixed"},
    "student t": {"likelihood": "student_t"},
    "calibration": {"calibration_fraction": 0.3},
    "latent density": {"anomaly_score": "latent_density"},
    "latent neighbors": {"anomaly_score": "latent_neighbors"},
    "typicality": {"anomaly_score": "typicality"},
    "combined": {"anomaly_score": "combined"},
}
PAIRS = [
    pytest.param(cls, changes, id=f"{cls.__name__}-{label}")
    for cls in (VAETransformer, VAEAnomalyDetector)
    for label, changes in CONFIGURATIONS.items()
    if cls is VAEAnomalyDetector
    or changes.keys().isdisjoint(("calibration_fraction", "anomaly_score"))
]


def quick(estimator_class=VAETransformer, **changes):
    settings = {"network": MLP(hidden_layer_sizes=(8,)), "max_epochs": 2, "random_state": 0}
    return estimator_class(2, **{**settings, **quick_parameters(estimator_class), **changes})


def assert_same(fitted, other):
    """Compare weights, thresholds, scores and histories to the bit."""
    for name, tensor in fitted.module_.state_dict().items():
        assert_array_equal(tensor.numpy(), other.module_.state_dict()[name].numpy(), name)
    assert_array_equal(fitted.score_samples(X), other.score_samples(X))
    for name in fitted.history_.keys() - {"duration"}:
        assert_array_equal(fitted.history_[name], other.history_[name], name)
    if isinstance(fitted, VAEAnomalyDetector):
        assert fitted.offset_ == other.offset_
        assert_array_equal(fitted.calibration_scores_, other.calibration_scores_)


@pytest.mark.parametrize(("estimator_class", "changes"), PAIRS)
def test_whole_weights_are_copies(estimator_class, changes):
    weighted = quick(estimator_class, **changes).fit(X, sample_weight=WEIGHTS)
    assert_same(weighted, quick(estimator_class, **changes).fit(COPIES))
    assert weighted.module_.n_rows <= WEIGHTS.sum()


@pytest.mark.parametrize("estimator_class", ESTIMATORS)
def test_in_partial_fit_whole_weights_are_copies(estimator_class):
    weighted, repeated = quick(estimator_class), quick(estimator_class)
    for part in (slice(0, 20), slice(20, 40), slice(3)):
        weighted.partial_fit(X[part], sample_weight=WEIGHTS[part])
        repeated.partial_fit(np.repeat(X[part], WEIGHTS[part], axis=0))
    assert_same(weighted, repeated)


@pytest.mark.parametrize("estimator_class", ESTIMATORS)
@pytest.mark.parametrize("weight", [1, 1.0, 0.25, 1e-200])
def test_equal_weights_are_none(estimator_class, weight):
    weighted = quick(estimator_class).fit(X, sample_weight=np.full(len(X), weight))
    assert_same(weighted, quick(estimator_class).fit(X))
    assert_same(weighted, quick(estimator_class).fit(X[::-1], sample_weight=weight))


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.3, 1.0, 2.5]), min_size=30, max_size=30),
    st.booleans(),
    st.sampled_from([None, 0.3]),
)
def test_rows_of_weight_zero_are_absent(weights, early_stopping, fraction):
    weights = np.array([*weights, *np.ones(10)])
    wild = np.where(weights[:, None] == 0, 1e30, X)
    changes = {"early_stopping": early_stopping, "calibration_fraction": fraction}
    fitted = quick(VAEAnomalyDetector, **changes).fit(wild, sample_weight=weights)
    chosen = weights > 0
    expected = quick(VAEAnomalyDetector, **changes).fit(X[chosen], sample_weight=weights[chosen])
    assert_same(fitted, expected)


def test_samples_follow_the_weights():
    rows = np.repeat([[0.0], [1.0]], 200, axis=0) + rng.normal(0, 0.01, (400, 1))
    weights = np.repeat([0.37, 4 * 0.37], 200)
    vae = quick(max_epochs=60, learning_rate=3e-3, prior="ex_post").fit(rows, sample_weight=weights)
    drawn = vae.sample(4000, random_state=0)
    assert abs(np.mean(drawn > 0.5) - 0.8) < 0.1


@pytest.mark.parametrize("score", ["log_likelihood", "latent_density"])
@pytest.mark.parametrize("fraction", [None, 0.5])
def test_contamination_is_the_share_of_the_weight(score, fraction):
    rows = np.random.default_rng(1).normal(size=(2000, 2))
    weights = np.where(np.hypot(*rows.T) > 1.5, 0.3, 1.7)
    detector = quick(
        VAEAnomalyDetector, anomaly_score=score, contamination=0.1, calibration_fraction=fraction
    ).fit(rows, sample_weight=weights)
    share = weights[detector.predict(rows) == -1].sum() / weights.sum()
    assert abs(share - 0.1) < (0.01 if fraction is None else 0.03)
    detector.fit(rows)
    share = weights[detector.predict(rows) == -1].sum() / weights.sum()
    assert share < 0.06


def test_every_row_takes_part_in_some_epoch():
    """Rows of a small weight are not lost: a level of a category that they alone have is seen."""
    levels = np.repeat(np.arange(4.0), 10)[:, None]
    weights = np.where(levels[:, 0] == 3, 0.01, 1.0)
    vae = quick(likelihood="categorical", max_epochs=3).fit(levels, sample_weight=weights)
    assert np.isfinite(vae.score_samples([[3.0]])).all()


def test_the_number_of_rows_is_the_sum_of_the_weights():
    weights = np.full(40, 2.5)
    vae = quick(batch_size=10, max_epochs=3).fit(X, sample_weight=weights)
    assert (vae.module_.n_rows, vae.n_steps_) == (100, 30)
    copies = training_rows(X, weights)
    assert quick(max_epochs="auto")._settings(copies, 0).max_epochs == 500


def test_a_warm_start_and_a_checkpoint_need_the_same_weights(tmp_path):
    weights = WEIGHTS + 0.5
    whole = quick(early_stopping=True, max_epochs=4).fit(X, sample_weight=weights)
    first = quick(early_stopping=True, callbacks=[Autosave(tmp_path)])
    first.fit(X, sample_weight=weights)
    again = first.set_params(callbacks=[Autosave(tmp_path, resume=True)], max_epochs=4)
    assert_same(again.fit(X[::-1], sample_weight=weights[::-1]), whole)
    with pytest.raises(ValueError, match="written for other rows"):
        again.fit(X, sample_weight=WEIGHTS)


@pytest.mark.parametrize("estimator_class", ESTIMATORS)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-WEIGHTS, "Negative values in data passed to `sample_weight`"),
        (np.full(40, np.nan), "sample_weight contains NaN"),
        (np.full(40, np.inf), "sample_weight contains infinity"),
        (np.zeros(40), "must contain at least one non-zero number"),
        (np.ones(39), r"sample_weight.shape == \(39,\), expected \(40,\)"),
        (np.ones((40, 2)), "Sample weights must be 1D array or scalar"),
        (["heavy"] * 40, "could not convert string to float"),
        (np.eye(40)[3], "'sample_weight' stand for 1 row, but at least 2 are required"),
    ],
)
def test_wrong_weights_raise(estimator_class, weights, message):
    for method in ("fit", "partial_fit"):
        estimator = quick(estimator_class)
        with pytest.raises(ValueError, match=message):
            getattr(estimator, method)(X, sample_weight=weights)
        assert not hasattr(estimator, "module_")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("estimator_class", ESTIMATORS)
@pytest.mark.parametrize("weights", [None, np.r_[0, 2, np.ones(38)], np.r_[0, 0.3, np.ones(38)]])
def test_errors_name_the_row_of_the_table(estimator_class, weights, method):
    rows = rng.poisson(3, (40, 2))
    if weights is not None:
        rows[0, 0] = -5
    for row in (1, 17, 39):
        wrong = rows.copy()
        wrong[row, 1] = -1
        estimator = quick(estimator_class, likelihood="poisson")
        with pytest.raises(ValueError, match=f"column 1 of X holds -1 in row {row}, counted"):
            getattr(estimator, method)(wrong, sample_weight=weights)


def test_weights_pass_through_pipelines_and_shortcuts():
    expected = quick().fit(X, sample_weight=WEIGHTS)
    pipeline = make_pipeline(StandardScaler(), quick())
    pipeline.fit(X, vaetransformer__sample_weight=WEIGHTS)
    scaled = StandardScaler().fit_transform(X)
    assert_array_equal(
        pipeline.transform(X), quick().fit(scaled, sample_weight=WEIGHTS).transform(scaled)
    )
    assert_array_equal(quick().fit_transform(X, sample_weight=WEIGHTS), expected.transform(X))
    detector = quick(VAEAnomalyDetector).fit(X, sample_weight=WEIGHTS)
    found = quick(VAEAnomalyDetector).fit_predict(X, sample_weight=WEIGHTS)
    assert_array_equal(found, detector.predict(X))


def test_weights_are_routed_as_metadata():
    with sklearn.config_context(enable_metadata_routing=True):
        vae = quick().set_fit_request(sample_weight=True)
        vae.set_partial_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, vae).fit(X, sample_weight=WEIGHTS)
    scaled = StandardScaler().fit_transform(X)
    expected = quick().fit(scaled, sample_weight=WEIGHTS)
    assert_array_equal(pipeline.transform(X), expected.transform(scaled))


def test_weights_are_not_kept():
    weighted = quick().fit(X, sample_weight=WEIGHTS + 0.5)
    plain = quick().fit(X)
    assert vars(weighted).keys() == vars(plain).keys()
    assert len(pickle.dumps(weighted)) < 1.1 * len(pickle.dumps(plain))
