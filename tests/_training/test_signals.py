"""SIGTERM during a fit: what was learned is kept, and other handlers stay as they are."""

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = """
import multiprocessing, os, signal, sys, threading, warnings
from skorch.callbacks import Callback
from sklearn.datasets import load_digits
from skvae import VAETransformer
from skvae.networks import MLP

X = load_digits().data[:256]

class Terminating(Callback):
    "Sends SIGTERM to its own process, in the third epoch and later."
    def on_batch_end(self, net, **kwargs):
        if len(net.history) >= 3:
            os.kill(os.getpid(), signal.SIGTERM)

def fit():
    callbacks = [Terminating()]
    vae = VAETransformer(2, network=MLP((8,)), max_epochs=6, random_state=0, callbacks=callbacks)
    with warnings.catch_warnings(record=True) as caught:
        vae.fit(X)
    return vae, [str(warning.message) for warning in caught]

def work():
    fit()

if __name__ == "__main__":
    CASE
"""
ONCE = """
    vae, said = fit()
    print(vae.n_iter_, len(said), "interrupted; the estimator keeps the 2 epochs done" in said[0])
    print(vae.transform(X).shape, signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
"""
TWICE = """
    Terminating.on_train_end = lambda self, net, **kwargs: os.kill(os.getpid(), signal.SIGTERM)
    fit()
    print("still here")
"""
HANDLED = """
    received = []
    signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    vae, said = fit()
    print(vae.n_iter_, said, len(received))
"""
IN_A_WORKER = """
    worker = multiprocessing.get_context("spawn").Process(target=work)
    worker.start()
    worker.join()
    print(worker.exitcode)
"""
IN_A_THREAD = """
    threading.Thread(target=work).start()
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGTERM is a signal of POSIX systems")


def run(case, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.replace("    CASE", case.strip("\n")), encoding="utf-8")
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout.splitlines()


def test_the_first_one_ends_the_fit_and_keeps_its_epochs(tmp_path):
    assert run(ONCE, tmp_path) == (0, ["2 1 True", "(256, 2) True"])


def test_a_second_one_kills(tmp_path):
    assert run(TWICE, tmp_path) == (-signal.SIGTERM, [])


def test_a_handler_of_the_program_stays_in_charge(tmp_path):
    assert run(HANDLED, tmp_path) == (0, ["6 [] 16"])


def test_a_worker_ends_as_its_pool_expects(tmp_path):
    assert run(IN_A_WORKER, tmp_path) == (0, [str(-signal.SIGTERM)])


def test_in_a_thread_nothing_is_touched(tmp_path):
    assert run(IN_A_THREAD, tmp_path) == (-signal.SIGTERM, [])
