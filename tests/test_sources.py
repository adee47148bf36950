"""Estimators on sparse matrices and on rows on disk, beside the same rows in memory."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone

from skvae import Autosave, VAEAnomalyDetector, VAEImputer, VAETransformer
from skvae._rows import batches, source
from skvae.networks import MLP
from tests.helpers import FEW_TREES, Interruption

SETTINGS = {"network": MLP(hidden_layer_sizes=16), "max_epochs": 3, "random_state": 0}
RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(0.3, size=(300, 20)).astype(np.float32)
REAL = COUNTS * RNG.normal(1, 0.3, size=COUNTS.shape).astype(np.float32)
REAL[7, 3] = 400.0
BINARY = (COUNTS > 0).astype(np.float32)


@pytest.fixture(autouse=True)
def nothing_is_small(monkeypatch):
    """Treat tables of these tests as those of more than 16 million values."""
    monkeypatch.setattr(source, "MOST_DENSE", 0)
    monkeypatch.setattr(source, "_READ_VALUES", 200)
    monkeypatch.setattr(source, "_SHUFFLED_VALUES", 2000)
    monkeypatch.setattr(source, "_BLOCK_VALUES", 700)
    monkeypatch.setattr(batches, "_MOST_SORTED", 0)


@pytest.fixture
def on_disk(tmp_path):
    def write(X):
        np.save(tmp_path / "rows.npy", X)
        return np.load(tmp_path / "rows.npy", mmap_mode="r")

    return write


def assert_same_weights(found, expected):
    theirs = expected.module_.state_dict()
    for name, weights in found.module_.state_dict().items():
        assert_array_equal(weights.numpy(), theirs[name].numpy(), err_msg=name)


@pytest.mark.parametrize(
    ("likelihood", "X"),
    [
        ("gaussian", REAL),
        ("poisson", COUNTS),
        ("negative_binomial", COUNTS),
        ("bernoulli", BINARY),
        ("continuous_bernoulli", BINARY),
    ],
)
def test_sparse_rows_give_the_bits_of_dense_ones(likelihood, X):
    kind = sparse.csr_matrix if likelihood == "poisson" else sparse.csc_array
    stops = likelihood == "gaussian"
    vae = VAETransformer(4, likelihood=likelihood, early_stopping=stops, **SETTINGS)
    expected = vae.fit(X)
    answers = [vae.transform(X), vae.score_samples(X), vae.reconstruct(X), *vae.posterior(X)]
    found = clone(vae).fit(kind(X))
    assert_same_weights(found, expected)
    rows = kind(X)
    methods = [found.transform, found.score_samples, found.reconstruct]
    for answer, one in zip(
        answers, [*(m(rows) for m in methods), *found.posterior(rows)], strict=True
    ):
        assert_array_equal(one, answer)


@pytest.mark.parametrize("weights", [RNG.integers(0, 3, 300), RNG.uniform(0.1, 2, 300)])
def test_weights_of_sparse_rows_are_those_of_dense_ones(weights):
    expected = VAETransformer(4, **SETTINGS).fit(REAL, sample_weight=weights)
    found = VAETransformer(4, **SETTINGS).fit(sparse.csr_array(REAL), sample_weight=weights)
    assert_same_weights(found, expected)


@pytest.mark.parametrize("score", [FEW_TREES, "typicality", "relative_error", "combined"])
def test_detectors_score_sparse_rows_as_dense_ones(score):
    detector = VAEAnomalyDetector(4, anomaly_score=score, calibration_fraction=0.2, **SETTINGS)
    expected, answers = detector.fit(REAL).offset_, detector.score_samples(REAL)
    rows = sparse.csr_array(REAL)
    detector.fit(rows)
    assert detector.offset_ == expected
    assert_array_equal(detector.score_samples(rows), answers)
    assert_array_equal(detector.predict(rows), detector.predict(REAL))
    assert_array_equal(detector.explain(rows[:2]), detector.explain(REAL[:2]))


def test_sparse_chunks_train_as_dense_ones():
    dense, found = (VAEAnomalyDetector(4, anomaly_score=FEW_TREES, **SETTINGS) for _ in range(2))
    for start in range(0, 300, 100):
        dense.partial_fit(REAL[start : start + 100])
        found.partial_fit(sparse.csr_array(REAL[start : start + 100]))
    assert_same_weights(found, dense)
    assert found.offset_ == dense.offset_


@pytest.mark.parametrize("stops", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_rows_on_disk_train_as_rows_in_memory(on_disk, stops):
    groups = np.sort(RNG.integers(0, 3, 2000))  # a sorted file
    X = RNG.normal(size=(2000, 6)) + 3 * RNG.normal(size=(3, 6))[groups]
    params = {"early_stopping": stops, **SETTINGS, "max_epochs": 20}
    in_memory = VAETransformer(4, **params).fit(X)
    found = VAETransformer(4, **params).fit(on_disk(X))
    again = VAETransformer(4, **params).fit(lambda: np.array_split(X, 4))
    assert_same_weights(again, found)
    assert found.score(X) == pytest.approx(in_memory.score(X), abs=0.2)
    assert_array_equal(found.transform(on_disk(X)), found.transform(X))


def test_detectors_calibrate_on_rows_on_disk(on_disk):
    X = on_disk(REAL)
    detector = VAEAnomalyDetector(
        4, anomaly_score=FEW_TREES, calibration_fraction=0.2, **SETTINGS
    ).fit(X)
    assert len(detector.calibration_scores_) == 60
    assert_array_equal(detector.predict(X), detector.predict(REAL))


def test_a_fit_from_disk_resumes_to_the_bit(on_disk, tmp_path):
    X = on_disk(REAL)
    expected = VAETransformer(4, **SETTINGS).fit(X)
    save = Autosave(tmp_path / "run", resume=True)
    broken = VAETransformer(4, callbacks=[save, Interruption(3, SystemExit)], **SETTINGS)
    with pytest.raises(SystemExit):
        broken.fit(X)
    resumed = VAETransformer(4, callbacks=[save], **SETTINGS).fit(X)
    assert_same_weights(resumed, expected)


def test_gaps_are_gaps(on_disk):
    X = REAL.copy()
    X[RNG.random(X.shape) < 0.1] = np.nan
    X[5] = np.nan
    expected = VAETransformer(4, **SETTINGS).fit(X).score(X)
    for rows in (on_disk(X), sparse.csr_array(X)):
        vae = VAETransformer(4, **SETTINGS).fit(rows)
        assert vae.module_.parts.has_gaps
        assert vae.score(X) == pytest.approx(expected, rel=0.2)


def test_values_outside_the_support_are_named_by_row(on_disk):
    X = COUNTS.copy()
    X[200, 7] = -1.0
    fitted = VAETransformer(4, likelihood="poisson", **SETTINGS).fit(COUNTS)
    for rows in (on_disk(X), sparse.csr_array(X)):
        for method in (VAETransformer(4, likelihood="poisson").fit, fitted.transform):
            with pytest.raises(ValueError, match="column 7 of X holds -1 in row 200"):
                method(rows)
    X[200, 7] = np.inf
    for rows in (on_disk(X), sparse.csr_array(X)):
        for method in (VAETransformer(4).fit, fitted.transform):
            with pytest.raises(ValueError, match="infinity .* in column 7, row 200"):
                method(rows)


def test_other_numbers_of_rows_or_columns_raise(on_disk):
    fitted = VAETransformer(4, **SETTINGS).fit(REAL)
    for rows in (on_disk(REAL[:, :5].copy()), sparse.csr_array(REAL[:, :5])):
        with pytest.raises(ValueError, match="X has 5 features, but .* expecting 20"):
            fitted.transform(rows)
    with pytest.raises(ValueError, match=r"Found array with 1 sample\(s\)"):
        VAETransformer(4).fit(sparse.csr_array(REAL[:1]))
    with pytest.raises(ValueError, match="take whole numbers as 'sample_weight'"):
        VAETransformer(4).fit(on_disk(REAL), sample_weight=np.linspace(1, 2, 300))


def test_a_fit_from_disk_goes_on_with_a_warm_start(on_disk):
    X, weights = on_disk(REAL), np.repeat([0, 1, 2], 100)
    vae = VAETransformer(4, warm_start=True, **SETTINGS).fit(X, sample_weight=weights)
    assert vae.set_params(max_epochs=5).fit(X).n_iter_ == 5
    copies = VAETransformer(4, **SETTINGS).fit(on_disk(np.repeat(REAL, weights, axis=0)))
    assert vae.score(REAL) == pytest.approx(copies.score(REAL), rel=0.2)


def test_estimators_of_frames_can_be_fitted_to_sources_afterwards(on_disk):
    pd = pytest.importorskip("pandas", reason="pandas is optional")
    frame = pd.DataFrame({"name": ["a", "b"] * 50, "x": np.arange(100.0)})
    vae = VAETransformer(2, **SETTINGS).fit(frame)
    with pytest.raises(ValueError, match="fitted on a data frame"):
        vae.transform(sparse.csr_array(REAL))
    assert vae.fit(sparse.csr_array(REAL)).transform(on_disk(REAL)).shape == (300, 2)


def test_imputers_refuse_sparse_rows():
    with pytest.raises(TypeError, match="dense data is required"):
        VAEImputer(2).fit(sparse.csr_array(REAL))


@pytest.mark.parametrize("kind", ["memory", "disk", "sparse"])
def test_results_are_written_to_an_array_on_disk(on_disk, tmp_path, kind):
    vae = VAETransformer(4, **SETTINGS).fit(REAL)
    rows = {"memory": REAL, "disk": on_disk(REAL), "sparse": sparse.csr_array(REAL)}[kind]
    Z = np.lib.format.open_memmap(tmp_path / "Z.npy", "w+", np.float32, (300, 4))
    assert vae.transform(rows, out=Z) is Z
    assert_array_equal(np.load(tmp_path / "Z.npy"), vae.transform(rows))
    found = np.empty((300, 20), np.float64)  # takes float32, too
    assert vae.reconstruct(rows, out=found) is found
    assert_array_equal(found, vae.reconstruct(rows))
    found[:] = 0
    latents = Z if kind == "memory" else np.load(tmp_path / "Z.npy", mmap_mode="r")
    assert vae.inverse_transform(latents, out=found) is found
    assert_array_equal(found, vae.reconstruct(rows))


def test_arrays_that_cannot_hold_the_result_raise():
    vae = VAETransformer(4, **SETTINGS).fit(REAL)
    with pytest.raises(ValueError, match=r"'out' has shape \(300, 20\), but the result has"):
        vae.transform(REAL, out=np.empty((300, 20)))
    for method in (vae.reconstruct, vae.transform):
        with pytest.raises(ValueError, match="'out' holds int64, but the result is float32"):
            method(REAL, out=np.empty((300, 20 if method == vae.reconstruct else 4), np.int64))
    with pytest.raises(ValueError, match=r"'out' has shape \(4,\), but the result has \(300, 20\)"):
        vae.inverse_transform(np.zeros((300, 4)), out=np.empty(4))
    pd = pytest.importorskip("pandas", reason="pandas is optional")
    frame = pd.DataFrame({"name": ["a", "b"] * 50, "x": np.arange(100.0)})
    vae.fit(frame)
    assert vae.transform(frame, out=np.empty((100, 4))).shape == (100, 4)
    with pytest.raises(ValueError, match="'out' must be None, as the training rows were a data fr"):
        vae.reconstruct(frame, out=np.empty((100, 2)))


def test_where_results_go_is_no_metadata_to_be_routed():
    with config_context(enable_metadata_routing=True):
        requests = VAETransformer().get_metadata_routing()
    assert requests.transform.requests == {}
    assert requests.inverse_transform.requests == {}


@pytest.mark.parametrize("estimator", [VAETransformer(4), VAEAnomalyDetector(4)])
def test_chunks_are_rows_of_all_methods(estimator):
    def chunks():
        return iter(np.array_split(REAL, 7))

    fitted = estimator.set_params(**SETTINGS).fit(chunks)
    for method in (fitted.transform, fitted.score_samples, fitted.reconstruct):
        assert_array_equal(method(chunks), method(REAL))
