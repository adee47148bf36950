"""Compression from rows to bytes and back: exact, as short as the model says, and safe."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_iris
from sklearn.pipeline import make_pipeline

import skvae
from skvae import (
    VAEAnomalyDetector,
    VAEClassifier,
    VAEImputer,
    VAETransformer,
    compress,
    decompress,
)
from skvae._model import inference
from skvae.compression import _row_code
from skvae.compression._container import Container
from skvae.likelihoods import Bernoulli, Categorical, Likelihood, LikelihoodModule
from skvae.networks import MLP
from tests.helpers import quick_parameters

QUICK = {"max_epochs": 2, "random_state": 0, "network": MLP(hidden_layer_sizes=(16,))}
DIGITS = load_digits().data
IRIS = load_iris().data
N_TRAINING = 300
LEVELS = [f"level {number}" for number in range(150)]
DAY = pd.Timestamp("2020-01-01")
SLOW = pytest.mark.slow
SHORT_FLOATS = st.floats(width=32, allow_infinity=False)


def bytes_of_elbo(estimator, X):
    elbo = inference.score(estimator.module_, np.asarray(X, dtype=np.float64), "elbo", 16)
    return -elbo.sum() / np.log(2) / 8


@pytest.fixture(scope="module")
def digits():
    """A transformer of digits, and the digits after those of training."""
    likelihood = Categorical(n_categories=17)
    return VAETransformer(4, likelihood=likelihood, **QUICK).fit(DIGITS[:500]), DIGITS[1200:]


@pytest.fixture(scope="module")
def small():
    return VAETransformer(2, **QUICK).fit(IRIS)


def training_frame():
    rng = np.random.default_rng(0)
    n = N_TRAINING
    return pd.DataFrame(
        {
            "text": rng.choice(["a", "b", "c"], n),
            "many": rng.choice(LEVELS, n),
            "grade": pd.Categorical(rng.choice(["low", "high"], n), ["low", "high"], ordered=True),
            "flag": rng.random(n) < 0.4,
            "count": rng.poisson(3, n),
            "cents": rng.normal(100, 20, n).round(2),
            "float": rng.normal(size=n),
            "short": rng.normal(size=n).astype(np.float32),
            "day": DAY + pd.to_timedelta(rng.integers(0, 900, n), "D"),
            "time": pd.to_timedelta(rng.integers(0, 10**6, n), "ms"),
        }
    )


@pytest.fixture(scope="module")
def table():
    """A transformer of a frame with columns of all kinds."""
    return VAETransformer(2, prior="normal", **QUICK).fit(training_frame())


def test_the_length_is_that_of_the_bound(digits):
    vae, X = digits
    data = compress(vae, X)
    assert len(data) < 1.003 * bytes_of_elbo(vae, X) + 250
    assert np.array_equal(decompress(vae, data), X)


@pytest.mark.parametrize("n_rows", [200, pytest.param(1797, marks=SLOW)])
def test_latent_vectors_of_more_bits_than_their_rows_do_not_cost_more(n_rows):
    X = (load_digits().data > 7).astype(np.uint8)
    vae = VAETransformer(16, likelihood="bernoulli", max_epochs=10, random_state=0).fit(X)
    X = X[:n_rows]
    assert len(compress(vae, X)) < 1.01 * bytes_of_elbo(vae, X) + 250


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7])
def test_few_rows_come_back(digits, n_rows):
    vae, X = digits
    assert np.array_equal(decompress(vae, compress(vae, X[:n_rows])), X[:n_rows])


def test_the_same_rows_are_the_same_bytes(digits):
    vae, X = digits
    assert compress(vae, X[:20]) == compress(vae, X[:20])


@pytest.mark.parametrize("dtype", ["u1", "i2", "i8", "f2", "f4", "f8", ">i4", ">f8"])
def test_an_array_keeps_its_type(digits, dtype):
    vae, X = digits
    X = X[:3].astype(dtype)
    again = decompress(vae, compress(vae, X))
    assert again.dtype == X.dtype
    assert np.array_equal(again, X)


def test_booleans_and_lists_come_back():
    X = DIGITS[:60] > 7
    vae = VAETransformer(2, likelihood=Bernoulli(), **QUICK).fit(X)
    again = decompress(vae, compress(vae, X[:5]))
    assert again.dtype == bool
    assert np.array_equal(again, X[:5])
    assert np.array_equal(decompress(vae, compress(vae, X[:5].tolist())), X[:5])


@pytest.mark.parametrize("likelihood", ["gaussian", "student_t", "histogram"])
@pytest.mark.parametrize("prior", ["normal", "mixture", "vamp", "ex_post"])
def test_decimals_take_the_bits_of_their_cells(likelihood, prior):
    vae = VAETransformer(2, likelihood=likelihood, prior=prior, **QUICK).fit(IRIS)
    data = compress(vae, IRIS)
    cells = 4 * len(IRIS) * np.log2(0.1) / 8
    assert len(data) < 1.02 * (bytes_of_elbo(vae, IRIS) - cells) + 200
    assert np.array_equal(decompress(vae, data), IRIS)


@pytest.mark.parametrize(
    "likelihood",
    ["poisson", "negative_binomial", "gaussian", pytest.param("histogram", marks=SLOW)],
)
def test_counts_of_any_size_come_back(likelihood):
    rng = np.random.default_rng(0)
    X = rng.poisson(4, (80, 3)).astype(float)
    vae = VAETransformer(2, likelihood=likelihood, **QUICK).fit(X)
    X[:4, 0] = [0, 2**53 - 1, 10**6, 10**12]
    assert np.array_equal(decompress(vae, compress(vae, X)), X)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(*[st.floats(width=32, allow_infinity=False)] * 4), min_size=1, max_size=4)
)
def test_any_floats_come_back(small, rows):
    X = np.array(rows, dtype=np.float32)
    again = decompress(small, compress(small, X))
    np.testing.assert_array_equal(again, X)
    assert np.array_equal(np.signbit(again)[X == 0], np.signbit(X)[X == 0])


def test_missing_values_come_back_where_they_were():
    rng = np.random.default_rng(0)
    X = IRIS.copy()
    X[rng.random(X.shape) < 0.2] = np.nan
    X[5] = np.nan
    for estimator in (VAETransformer(2, **QUICK), VAEImputer(2, n_estimators=1, **QUICK)):
        estimator.fit(X)
        again = decompress(estimator, compress(estimator, X))
        np.testing.assert_array_equal(again, X)


@pytest.mark.parametrize("estimator_class", [VAEAnomalyDetector, VAEClassifier])
def test_other_estimators_compress_as_well(estimator_class):
    y = np.where(np.arange(150) % 3, load_iris().target, -1)
    estimator = estimator_class(2, **QUICK, **quick_parameters(estimator_class)).fit(IRIS, y)
    assert np.array_equal(decompress(estimator, compress(estimator, IRIS[:9])), IRIS[:9])


CELLS = {
    "text": st.sampled_from(["a", "b", "c", "new", "", "ä\n"]) | st.none(),
    "many": st.sampled_from([*LEVELS[:5], *LEVELS[-5:], "never"]),
    "grade": st.sampled_from(["low", "high"]) | st.none(),
    "flag": st.booleans(),
    "count": st.integers(-(2**53), 2**53),
    "cents": st.integers(-(10**9), 10**9).map(lambda cents: cents / 100) | st.just(float("nan")),
    "float": st.floats(-1e6, 1e6),
    "short": st.floats(-1000, 1000, width=32),
    "day": st.dates(pd.Timestamp("1990-01-01").date(), pd.Timestamp("2060-01-01").date()),
    "time": st.integers(-(10**9), 10**9).map(lambda ms: timedelta(milliseconds=ms)),
}


def frame_of(rows):
    like = training_frame()
    frame = pd.DataFrame(rows, columns=[*CELLS])
    types = {name: kind for name, kind in like.dtypes.items() if name not in ("day", "text")}
    frame["text"] = frame["text"].astype(like["text"].dtype)
    frame["day"] = pd.to_datetime(frame["day"]).astype(like["day"].dtype)
    return frame.astype(types)


def check_any_table_comes_back(table, rows):
    frame = frame_of(rows)
    again = decompress(table, compress(table, frame))
    pd.testing.assert_frame_equal(again, frame, check_exact=True)
    assert np.array_equal(np.signbit(again["float"]), np.signbit(frame["float"]))


FEW_ROWS, ROWS = (st.lists(st.tuples(*CELLS.values()), min_size=1, max_size=n) for n in (2, 6))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(FEW_ROWS)
def test_any_table_comes_back(table, rows):
    check_any_table_comes_back(table, rows)


@SLOW
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(ROWS)
def test_a_thousand_tables_come_back(table, rows):
    check_any_table_comes_back(table, rows)


@pytest.mark.parametrize("library", [pl.from_pandas, pa.Table.from_pandas])
def test_frames_of_other_libraries_come_back(table, library):
    frame = training_frame().head(8)
    frame.loc[3, "cents"] = np.nan
    frame.loc[4, "text"] = None
    training = library(training_frame())
    vae = VAETransformer(2, prior="normal", **QUICK).fit(training)
    own = library(frame)
    again = decompress(vae, compress(vae, own))
    assert type(again) is type(own)
    assert again.equals(own)
    back = decompress(table, compress(table, own))  # a frame like that of training
    assert back.equals(decompress(table, compress(table, frame)))


def test_numbers_of_a_frame_come_back_as_a_frame():
    frame = pd.DataFrame(IRIS, columns=list("abcd")).assign(n=np.arange(150))
    vae = VAETransformer(2, **QUICK).fit(frame)
    pd.testing.assert_frame_equal(decompress(vae, compress(vae, frame)), frame)
    rows = frame.to_numpy()[:5]
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        data = compress(vae, rows)
    assert np.array_equal(decompress(vae, data), rows)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.array([[2**53 + 1, 0, 0, 0]]), "9007199254740993.* in column 0, row 0"),
        (np.array([[1.0, np.inf, 0, 0]]), "contains infinity"),
        (np.ones((2, 3)), "X has 3 features"),
    ],
)
def test_what_would_not_come_back_is_an_error(small, X, message):
    with pytest.raises(ValueError, match=message):
        compress(small, X)


def test_a_cell_that_its_column_cannot_hold_is_named(table):
    frame = training_frame().head(3).astype({"count": float})
    frame.loc[1, "count"] = 2.5
    with pytest.raises(ValueError, match="X holds 2.5 in column 'count', row 1"):
        compress(table, frame)


def test_values_outside_the_support_are_an_error(digits):
    vae, X = digits
    with pytest.raises(ValueError, match="accepts whole numbers from 0 to 16"):
        compress(vae, X[:2] + 0.5)


def test_a_prior_that_is_no_mixture_is_refused_with_those_that_are():
    vae = VAETransformer(2, prior="flow", **QUICK).fit(IRIS)
    with pytest.raises(ValueError, match=r"prior=FlowPrior\(\) .* Fit with prior='normal'"):
        compress(vae, IRIS)


def test_what_is_no_estimator_is_refused(small):
    with pytest.raises(ValueError, match=r"takes a fitted estimator .* pass its step"):
        compress(make_pipeline(small), IRIS)
    with pytest.raises(ValueError, match="got str"):
        decompress("model.skvae", b"")
    with pytest.raises(ValueError, match=r"got str. Read a file"):
        decompress(small, "rows.skvz")
    with pytest.raises(ValueError, match="not fitted"):
        compress(VAETransformer(2), IRIS)


class Laplace(Likelihood):
    def build(self, X):
        return LaplaceModule(self, n_outputs=X.shape[1])


class LaplaceModule(LikelihoodModule):
    def log_prob(self, outputs, x):
        return torch.distributions.Laplace(outputs, 1.0).log_prob(x)

    def mean(self, outputs):
        return outputs


def test_a_likelihood_of_ones_own_is_coded_by_its_masses():
    X = np.random.default_rng(0).laplace(0, 1, (300, 2)).round(1)  # with negative zeros
    vae = VAETransformer(1, likelihood=Laplace(), **QUICK).fit(X)
    data = compress(vae, X)
    cells = X.size * np.log2(0.1) / 8
    assert len(data) < 1.02 * (bytes_of_elbo(vae, X) - cells) + 150
    assert np.array_equal(decompress(vae, data), X)
    with pytest.raises(ValueError, match="has no method 'cdf', and a column of X has more than"):
        compress(vae, X + np.random.default_rng(0).normal(size=X.shape))


def test_another_model_is_an_error(small):
    data = compress(small, IRIS[:9])
    other = VAETransformer(2, **QUICK | {"random_state": 1}).fit(IRIS)
    with pytest.raises(ValueError, match="compressed by another model"):
        decompress(other, data)


def test_other_arithmetic_is_an_error(small, monkeypatch):
    data = compress(small, IRIS[:9])
    outputs = _row_code.RowCode._outputs
    monkeypatch.setattr(_row_code.RowCode, "_outputs", lambda self, z: outputs(self, z) + 2.0**-14)
    with pytest.raises(ValueError, match="computes other numbers than here"):
        decompress(small, data)
    monkeypatch.setattr(_row_code.RowCode, "probe", Container.unpack(data).probe)
    with pytest.raises(ValueError, match="this machine rounds differently|are unsound"):
        decompress(small, data)


def check_damaged_data(estimator, X, n_cases):
    data, rng = compress(estimator, X), np.random.default_rng(0)
    for case in range(n_cases):
        damaged = bytearray(data)
        kind, place = case % 4, int(rng.integers(len(data)))
        if kind == 0:
            del damaged[place:]
        elif kind == 1:
            del damaged[place : place + int(rng.integers(1, 9))]
        elif kind == 2:
            damaged[place] ^= 1 << int(rng.integers(8))
        else:
            damaged[place : place + 4] = rng.bytes(4)
        with suppress(ValueError):
            assert np.array_equal(decompress(estimator, bytes(damaged)), X)


def test_damaged_data_are_an_error_or_the_rows(digits):
    vae, X = digits
    check_damaged_data(vae, X[:30], 60)


@SLOW
def test_two_thousand_damaged_data_are_an_error_or_the_rows(digits):
    vae, X = digits
    check_damaged_data(vae, X, 2000)


@pytest.mark.parametrize(
    "change",
    [
        {"n": 0},
        {"n": 10**15},
        {"n": "9"},
        {"n": None},
        {"grid": {}},
        {"grid": None},
        {"latents": [1]},
        {"latents": [-1, 3]},
        {"latents": [60, 3]},
        {"latents": [1e300, 3]},
        {"dtype": "O"},
        {"dtype": "no type"},
        {"n_missing": [1]},
        {"n_missing": "x"},
        {"new_levels": []},
    ],
)
def test_a_description_that_is_not_sound_is_an_error(small, change):
    container = Container.unpack(compress(small, IRIS[:9]))
    container.header.update(change)
    with pytest.raises(ValueError, match="compressed rows are unsound|decompressed rows are not"):
        decompress(small, container.pack())


def test_nothing_about_torch_or_the_estimator_changes(small):
    before, n_threads = dict(vars(small)), torch.get_num_threads()
    weights = {name: value.clone() for name, value in small.module_.state_dict().items()}
    torch.set_num_threads(2)
    try:
        decompress(small, compress(small, IRIS[:9]))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(n_threads)
    assert vars(small) == before
    assert all(
        torch.equal(value, weights[name]) for name, value in small.module_.state_dict().items()
    )


PROGRAM = """
import sys
from pathlib import Path
import numpy as np, torch, skvae
torch.set_num_threads(int(sys.argv[2]))
folder = Path(sys.argv[1])
model = skvae.load(folder / "model.skvae")
np.save(folder / "again.npy", skvae.decompress(model, (folder / "rows.skvz").read_bytes()))
"""


@SLOW
@pytest.mark.parametrize("prior", ["normal", "vamp"])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_another_process_with_other_threads_decompresses(tmp_path, prior, n_threads):
    likelihood = Categorical(n_categories=17)
    vae = VAETransformer(6, prior=prior, likelihood=likelihood, **QUICK).fit(DIGITS)
    skvae.save(vae, tmp_path / "model.skvae")
    (tmp_path / "rows.skvz").write_bytes(compress(vae, DIGITS))
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(n_threads)]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": str(n_threads)})
    assert np.array_equal(np.load(tmp_path / "again.npy"), DIGITS)


def test_a_loaded_model_decompresses(table, tmp_path):
    frame = training_frame().head(20)
    data = compress(table, frame)
    skvae.save(table, tmp_path / "table.skvae")
    loaded = skvae.load(tmp_path / "table.skvae")
    pd.testing.assert_frame_equal(decompress(loaded, data), frame)


def test_descriptions_are_plain_values(table):
    container = Container.unpack(compress(table, training_frame().head(3)))
    assert json.loads(json.dumps(container.header)) == container.header
