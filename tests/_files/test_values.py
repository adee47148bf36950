"""Values survive JSON exactly, and a file cannot choose which code is run."""

import json
import math
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator

from skvae._files.values import Decoder, Encoder


class Known(BaseEstimator):
    def __init__(self, size=3, inner=None):
        self.size = size
        self.inner = inner


class Foreign(Known):
    pass


def round_trip(value, trusted=()):
    encoder = Encoder([Known])
    text = json.dumps(encoder.encode(value, "value"), sort_keys=True, allow_nan=False)
    return Decoder([Known], trusted, encoder.tensors).decode(json.loads(text))


def decode(node):
    return Decoder([Known]).decode(node)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**70),
        1e-308,
        0.1,
        math.inf,
        -math.inf,
        "",
        "é\n",
        [],
        (),
        (512, 256),
        [(1, [2.5, ("a",)])],
        {},
        {"a": 1, 2: (3,), (4, 5): None},
        {"tuple": [1]},
        torch.device("cuda:1"),
        torch.optim.SGD,
    ],
)
def test_value_and_type_survive(value):
    found = round_trip(value)
    assert found == value
    assert type(found) is type(value)


def test_nan_survives():
    assert math.isnan(round_trip(math.nan))


def test_numpy_scalars_become_python_scalars():
    found = round_trip([np.int64(3), np.float32(0.5), np.bool_(True)])
    assert found == [3, 0.5, True]
    assert [type(value) for value in found] == [int, float, bool]


@pytest.mark.parametrize(
    "array", [np.arange(6).reshape(2, 3), np.array([1.5, np.nan]), np.zeros(0)]
)
def test_arrays_survive_with_dtype_and_shape(array):
    found = round_trip({"deep": [array]})["deep"][0]
    assert_array_equal(found, array)
    assert found.dtype == array.dtype


def test_tensors_are_collected_under_their_path():
    encoder = Encoder([])
    node = encoder.encode({"state": [torch.ones(2)]}, "run")
    assert list(encoder.tensors) == ["run.state.0"]
    assert Decoder([], tensors=encoder.tensors).decode(node)["state"][0].tolist() == [1, 1]


def test_configured_objects_are_rebuilt_with_their_parameters():
    found = round_trip(Known((1, 2), inner=Known(np.int32(4))))
    assert type(found) is Known
    assert found.size == (1, 2)
    assert found.inner.size == 4


def test_a_random_state_continues_where_it_was():
    state = np.random.RandomState(3)
    state.normal(size=5)
    assert_array_equal(round_trip(state).normal(size=9), state.normal(size=9))


def test_a_foreign_class_is_refused_by_name_until_it_is_trusted():
    with pytest.raises(
        ValueError, match=r"the class 'Foreign', which is not part .* trusted=\[Foreign\]"
    ):
        round_trip(Foreign(5))
    found = round_trip(Foreign(5), trusted=[Foreign])
    assert type(found) is Foreign
    assert found.size == 5


def test_a_foreign_class_with_the_name_of_a_known_one_is_refused():
    impostor = type("Known", (BaseEstimator,), {})
    with pytest.raises(ValueError, match="not part of skvae"):
        round_trip(impostor())


def test_a_foreign_optimizer_is_refused_until_it_is_trusted():
    optimizer = type("SGD", (torch.optim.SGD,), {})
    with pytest.raises(ValueError, match="the class 'SGD', which is not part of skvae"):
        round_trip(optimizer)
    assert round_trip(optimizer, trusted=[optimizer]) is optimizer


@pytest.mark.parametrize(
    "value", [print, lambda x: x, Known, object(), np.array(["a"]), {1}, b"bytes", 1j]
)
def test_a_value_that_cannot_be_written_is_named(value):
    with pytest.raises(ValueError, match=r"parameters\.objective\.1 is .*without pickle"):
        Encoder([Known]).encode([0, value], "parameters.objective")


@pytest.mark.parametrize(
    "node",
    [
        {},
        {"nothing": 1},
        {"spec": 1},
        {"spec": ["Unknown", {"dict": []}]},
        {"spec": ["Known", {"dict": [["colour", 1]]}]},
        {"spec": ["Known", 3]},
        {"dict": 3},
        {"dict": [[1]]},
        {"dict": [[[1], 2]]},
        {"tuple": 3},
        {"float": "one"},
        {"float": None},
        {"tensor": "absent"},
        {"tensor": []},
        {"array": "absent"},
        {"optimizer": "lr_scheduler"},
        {"optimizer": "Optimizer.__init__"},
        {"optimizer": 3},
        {"random_state": [1, 2]},
        {"custom": []},
        {"custom": ["os.system", {"dict": []}]},
    ],
)
def test_a_malformed_node_raises_value_error(node):
    with pytest.raises(ValueError, match=r".") as caught:
        decode(node)
    assert not isinstance(caught.value, pickle.UnpicklingError)


def test_an_unknown_device_raises():
    with pytest.raises((ValueError, RuntimeError)):
        decode({"device": "nonsense"})
