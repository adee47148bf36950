"""The schema of a data frame: frames to floats and back."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from skvae._rows.table import TableSchema, is_frame

for needed in ("pandas", "polars", "pyarrow"):
    pytest.importorskip(needed)

from tests._rows.frames import assert_same_frame, frames


def check_round_trip(frame):
    schema = TableSchema.learn(frame)
    X = schema.encode(frame)
    assert X.dtype == np.float64
    assert X.flags.c_contiguous
    assert_same_frame(schema.decode(X), frame)
    again = TableSchema.from_state(json.loads(json.dumps(schema.state(), allow_nan=False)))
    assert again.columns == schema.columns
    assert_same_frame(again.decode(X), frame)
    return schema, X


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(frames())
def test_a_frame_comes_back_as_it_was(frame):
    check_round_trip(frame)
