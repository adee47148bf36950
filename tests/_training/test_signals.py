"""SIGTERM during a fit: completed epochs are kept, and other handlers are not replaced."""

import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from skorch.callbacks import Callback

from tests._training.helpers import model

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGTERM is a signal of POSIX systems")


class Terminating(Callback):
    """Sends SIGTERM to its own process in the third epoch and later, if something handles it."""

    def on_batch_end(self, net, **kwargs):
        if len(net.history) >= 3:
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
            signal.raise_signal(signal.SIGTERM)


class Handlers(Callback):
    """Keeps the handler of SIGTERM at every step, and at the end of training."""

    def __init__(self):
        self.found = []

    def on_batch_end(self, net, **kwargs):
        self.found.append(signal.getsignal(signal.SIGTERM))

    def on_train_end(self, net, **kwargs):
        self.found.append(signal.getsignal(signal.SIGTERM))


@pytest.fixture(autouse=True)
def default_handler():
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def test_the_first_signal_ends_the_fit_and_keeps_completed_epochs(X):
    handlers = Handlers()
    vae = model(max_epochs=6, callbacks=[Terminating(), handlers])
    with pytest.warns(UserWarning, match="interrupted; the estimator keeps the 2 epochs done"):
        vae.fit(X)
    assert vae.n_iter_ == 2
    assert np.isfinite(vae.transform(X)).all()
    assert handlers.found[-1] == signal.SIG_DFL  # a second signal would kill
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_handler_of_the_program_is_not_replaced(X):
    received = []
    signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    assert model(max_epochs=6, callbacks=[Terminating()]).fit(X).n_iter_ == 6
    assert received == [signal.SIGTERM] * 4 * 5


def test_a_worker_process_keeps_the_default_handler(X, monkeypatch):
    """Its pool expects it to end, see multiprocessing.parent_process."""
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: object())
    handlers = Handlers()
    model(max_epochs=1, callbacks=[handlers]).fit(X)
    assert set(handlers.found) == {signal.SIG_DFL}


def test_a_fit_in_a_thread_keeps_the_default_handler(X):
    handlers = Handlers()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(model(max_epochs=1, callbacks=[handlers]).fit, X).result()
    assert set(handlers.found) == {signal.SIG_DFL}


PROGRAM = """
import multiprocessing, os, signal, threading, warnings
from skorch.callbacks import Callback
from sklearn.datasets import load_digits
from skvae import VAETransformer
from skvae.networks import MLP

class Terminating(Callback):
    def on_batch_end(self, net, **kwargs):
        if len(net.history) >= 2:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_train_end(self, net, **kwargs):
        os.kill(os.getpid(), signal.SIGTERM)

def fit():
    network = MLP(hidden_layer_sizes=(8,))
    callbacks = [Terminating()]
    VAETransformer(2, network=network, max_epochs=6, callbacks=callbacks).fit(load_digits().data)

if __name__ == "__main__":
    CASE
"""
IN_A_WORKER = """
    worker = multiprocessing.get_context("spawn").Process(target=fit)
    worker.start()
    worker.join()
    print(worker.exitcode)
"""
IN_A_THREAD = """
    threading.Thread(target=fit).start()
"""


def run(case, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.replace("    CASE", case.strip("\n")), encoding="utf-8")
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=120)
    assert "Error" not in done.stderr
    return done.returncode, done.stdout.splitlines()


@pytest.mark.slow
def test_a_second_signal_kills_the_process(tmp_path):
    assert run("    fit()", tmp_path) == (-signal.SIGTERM, [])


@pytest.mark.slow  # the handler alone is tested above
def test_a_signal_kills_a_worker_process(tmp_path):
    assert run(IN_A_WORKER, tmp_path) == (0, [str(-signal.SIGTERM)])


@pytest.mark.slow
def test_a_signal_kills_a_process_that_fits_in_a_thread(tmp_path):
    assert run(IN_A_THREAD, tmp_path) == (-signal.SIGTERM, [])
