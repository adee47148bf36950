"""Checks of small numbers."""

import numpy as np
import pytest

from skvae._validation import check_count


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3", None])
def test_a_count_is_a_positive_integer(value):
    with pytest.raises(ValueError, match=f"'n' must be an integer of at least 1, got {value!r}"):
        check_count("n", value)
    check_count("n", np.int64(3))
