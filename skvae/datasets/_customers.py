"""An invented table of text, dates, booleans, whole numbers and amounts."""

import numpy as np
from sklearn.utils import check_random_state

from skvae._validation import import_extra


def make_customers(n_samples=1000, *, random_state=None):
    """Generate a table of customers of a shop, with columns of many kinds that depend on another.

    Students are young and retired customers old; customers with a subscription order more often;
    those without orders spend nothing; and few send anything back.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of customers.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws; None gives another table at every call.

    Returns
    -------
    customers : pandas.DataFrame of shape (n_samples, 8)
        The columns `joined` (date), `region` and `occupation` (text), `subscribed` (boolean), `age`
        and `orders` (whole numbers), `spent` and `returned` (amounts with two decimals).

    Raises
    ------
    ImportError
        If pandas is not installed.

    See Also
    --------
    skvae.metrics.table_quality : Compares a synthetic copy with a table.

    Examples
    --------
    >>> from skvae.datasets import make_customers
    >>> customers = make_customers(500, random_state=0)
    >>> list(customers.columns)
    ['joined', 'region', 'age', 'occupation', 'subscribed', 'orders', 'spent', 'returned']
    >>> float(customers.loc[customers["orders"] == 0, "spent"].max())
    0.0
    """
    pd = import_extra("pandas", "make_customers", "tables")
    rng = check_random_state(random_state)
    age = np.clip(rng.gamma(6, 7.5, n_samples), 18, 92).astype(int)
    occupation = np.select(
        [age > 66, age < 28],
        ["retired", rng.choice(["student", "employed"], n_samples, p=[0.7, 0.3])],
        default=rng.choice(["employed", "self-employed", "at home"], n_samples, p=[0.7, 0.2, 0.1]),
    )
    subscribed = rng.uniform(size=n_samples) < np.where(occupation == "student", 0.1, 0.4)
    orders = rng.poisson(np.where(subscribed, 6, 0.9))
    spent = orders * rng.gamma(4, np.where(occupation == "student", 5, 12), n_samples)
    sends_back = rng.uniform(size=n_samples) < 0.1
    days = rng.randint(0, 2500, n_samples)
    return pd.DataFrame(
        {
            "joined": pd.Timestamp("2019-01-01") + pd.to_timedelta(days, unit="D"),
            "region": rng.choice(
                ["north", "east", "south", "west"], n_samples, p=[0.4, 0.3, 0.2, 0.1]
            ),
            "age": age,
            "occupation": occupation,
            "subscribed": subscribed,
            "orders": orders,
            "spent": spent.round(2),
            "returned": np.where(sends_back, spent * rng.uniform(size=n_samples), 0).round(2),
        }
    )
