"""Training by compiled code."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from skvae._compiled import compiled

from skvae import VAETransformer, load
from skvae.networks import MLP


def small(**parameters):
    parameters = {
        "network": MLP(hidden_layer_sizes=(16,)),
        "max_epochs": 2,
        "random_state": 0,
    } | parameters
    return VAETransformer(4, batch_size=64, **parameters)


@pytest.fixture(scope="module")
def X():
    return load_digits().data[:200]  # four batches, of which the last has 8 rows


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_compiled_training_goes_the_same_way_and_compiles_once(tmp_path, X, precision):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    plain = small(precision=precision).fit(X)
    fast = small(precision=precision, compile=True).fit(X)
    tolerance = 1e-4 if precision == "float32" else 3e-2
    np.testing.assert_allclose(fast.score(X), plain.score(X), rtol=tolerance)
    counters = torch._dynamo.utils.counters
    assert counters["stats"]["unique_graphs"] == 3  # encoder, decoder and likelihood
    assert not counters["recompiles"]
    assert not counters["graph_break"]
    fast.save(tmp_path / "fast.skvae")
    np.testing.assert_array_equal(load(tmp_path / "fast.skvae").transform(X), fast.transform(X))
    fast.set_params(max_epochs=3, warm_start=True).fit(X)
    assert fast.n_iter_ == 3


def test_batches_of_another_size_are_not_compiled(monkeypatch, X):
    calls = []

    def pretend(function, dynamic):
        def fast(x, *rest):
            calls.append(len(x))
            return function(x, *rest)

        return fast

    monkeypatch.setattr(torch, "compile", pretend)
    fast = small(compile=True).fit(X)
    assert set(calls) == {64}
    assert len(calls) == 3 * 3 * 2  # three functions, three full batches, two epochs
    np.testing.assert_array_equal(fast.transform(X), small().fit(X).transform(X))


def test_no_compiler(monkeypatch, X):
    class CompilerFailed(Exception):
        __module__ = "torch._inductor.exc"

    def unable(function, dynamic):
        def fast(*args):
            raise CompilerFailed("No working C++ compiler found.")

        return fast

    monkeypatch.setattr(torch, "compile", unable)
    with pytest.raises(RuntimeError, match="No working C.. compiler found.*set compile=False"):
        small(compile=True).fit(X)


def test_errors_of_the_parts_are_their_own(monkeypatch, X):
    module = small().fit(X).module_
    monkeypatch.setattr(torch, "compile", lambda function, dynamic: function)
    with pytest.raises(RuntimeError, match="size of tensor"):
        compiled(module, 2).encode(torch.zeros(2, 5))
