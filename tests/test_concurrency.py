"""Results do not depend on the number of threads and processes that compute at once."""

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from numpy.testing import assert_array_equal

from skvae import VAEAnomalyDetector, VAETransformer, _random
from skvae.networks import MLP
from tests.helpers import quick_parameters

METHODS = ("score_samples", "predict", "reconstruct", "decision_function")
N_THREADS = 32


def quick(estimator_class=VAETransformer, **changes):
    settings = {
        "network": MLP(hidden_layer_sizes=(16,), dropout=0.2),
        "max_epochs": 3,
        "random_state": 0,
        **quick_parameters(estimator_class),
    }
    return estimator_class(4, **{**settings, **changes})


@pytest.fixture(scope="module")
def detector(digits):
    return quick(VAEAnomalyDetector).fit(digits.data[:300])


@pytest.mark.parametrize(
    ("dtype", "n_calls"),
    [
        (np.float32, 64),
        (np.float64, 64),
        pytest.param(np.float32, 10_000, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_many_threads_get_the_results_of_one(digits, detector, method, dtype, n_calls):
    starts = [number % 1700 for number in range(n_calls)]
    rows = [digits.data[start : start + 5].astype(dtype) for start in starts]
    call = getattr(detector, method)
    expected = [call(x) for x in rows]
    with ThreadPoolExecutor(N_THREADS) as pool:
        found = list(pool.map(call, rows))
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


def test_fits_in_threads_depend_on_their_seeds_alone(digits):
    X = digits.data[:300]
    expected = [quick(random_state=seed).fit(X).transform(X) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        fits = pool.map(lambda seed: quick(random_state=seed).fit(X), range(4))
        found = [vae.transform(X) for vae in fits]
    assert_array_equal(found, expected)


def test_a_fit_within_a_fit_does_not_deadlock(digits):
    from skorch.callbacks import Callback

    class FitsAnother(Callback):
        def on_train_end(self, net, **kwargs):
            self.other_ = quick().fit(digits.data[:50])

    callback = FitsAnother()
    quick(callbacks=[callback]).fit(digits.data[:50])
    assert callback.other_.n_iter_ == 3


def _scores(model, x):
    torch.set_num_threads(1)
    return model.score_samples(x)


def _refit(x):
    torch.set_num_threads(1)
    return quick().fit(x).score_samples(x)


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_another_process_gets_the_same_results(digits, detector, start):
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system does not {start} processes")
    x = digits.data[:40]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(start)) as pool:
        assert_array_equal(pool.submit(_scores, detector, x).result(120), detector.score_samples(x))
        assert_array_equal(pool.submit(_refit, x).result(120), _refit(x))


@pytest.mark.slow
def test_joblib_gets_the_same_results(digits, detector):
    x = digits.data[:40]
    for found in Parallel(n_jobs=2)(delayed(_scores)(detector, x) for _ in range(2)):
        assert_array_equal(found, detector.score_samples(x))


def test_a_child_forked_while_a_thread_fits_has_a_lock_of_its_own():
    if not hasattr(__import__("os"), "register_at_fork"):
        pytest.skip("this system does not fork processes")
    held, release = threading.Event(), threading.Event()

    def hold():
        with _random.isolated_rng(0):
            held.set()
            release.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    try:
        child = multiprocessing.get_context("fork").Process(target=_enter)
        child.start()
        child.join(60)
        assert child.exitcode == 0
    finally:
        release.set()
        thread.join()


def _enter():
    with _random.isolated_rng(0):
        pass
