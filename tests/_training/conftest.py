"""Rows to train on."""

import pytest


@pytest.fixture(scope="session")
def X(digits):
    return digits.data[:300]
