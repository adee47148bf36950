"""The invented customers: kinds of columns, and the dependences that the docstring states."""

import numpy as np
import pytest

from skvae.datasets import make_customers

pd = pytest.importorskip("pandas", reason="pandas is optional")


@pytest.fixture(scope="module")
def customers():
    return make_customers(4000, random_state=0)


def test_columns_have_the_kinds_of_the_docstring(customers):
    assert customers.shape == (4000, 8)
    kinds = {name: dtype.kind for name, dtype in customers.dtypes.items()}
    assert (kinds["joined"], kinds["subscribed"]) == ("M", "b")
    assert {kinds[name] for name in ("age", "orders")} == {"i"}
    amounts = customers[["spent", "returned"]]
    assert (amounts == amounts.round(2)).all(axis=None)


def test_columns_depend_on_another(customers):
    age = customers.groupby("occupation")["age"]
    assert age.max()["student"] < 28
    assert age.min()["retired"] > 66
    orders = customers.groupby("subscribed")["orders"].mean()
    assert orders[True] > 3 * orders[False]
    assert (customers.loc[customers["orders"] == 0, "spent"] == 0).all()
    assert (customers["returned"] <= customers["spent"]).all()
    assert 0.03 < (customers["returned"] > 0).mean() < 0.12


def test_the_seed_decides_the_table():
    first, again = (make_customers(50, random_state=1) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    rng = np.random.RandomState(1)
    assert not make_customers(50, random_state=rng).equals(make_customers(50, random_state=rng))
    assert make_customers(0).shape == (0, 8)
