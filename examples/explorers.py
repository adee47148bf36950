"""Write the explorers of the documentation: `python examples/explorers.py FOLDER`.

Two pages that open in a browser without a network: digits in two latent dimensions, and the
invented customers of a shop. Each takes less than a minute.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from skvae import VAETransformer
from skvae.plotting import explorer


def digits(max_epochs="auto"):
    """Return the explorer of handwritten digits."""
    X, y = load_digits(return_X_y=True)
    vae = VAETransformer(n_components=2, max_epochs=max_epochs, random_state=0).fit(X)
    return explorer(vae, X, y, title="Handwritten digits in two dimensions")


def customers(max_epochs="auto", n_rows=2000):
    """Return the explorer of a table with text, dates, booleans and amounts."""
    rng = np.random.default_rng(0)
    age = np.clip(rng.gamma(6, 7.5, n_rows), 18, 92).astype(int)
    occupation = np.select(
        [age > 66, age < 28],
        ["retired", rng.choice(["student", "employed"], n_rows, p=[0.7, 0.3])],
        default=rng.choice(["employed", "self-employed", "at home"], n_rows, p=[0.7, 0.2, 0.1]),
    )
    subscribed = rng.random(n_rows) < np.where(occupation == "student", 0.1, 0.4)
    orders = rng.poisson(np.where(subscribed, 6, 0.9))
    spent = orders * rng.gamma(4, np.where(occupation == "student", 5, 12), n_rows)
    days = rng.integers(0, 2500, n_rows)
    table = pd.DataFrame(
        {
            "joined": pd.Timestamp("2019-01-01") + pd.to_timedelta(days, unit="D"),
            "region": rng.choice(
                ["north", "east", "south", "west"], n_rows, p=[0.4, 0.3, 0.2, 0.1]
            ),
            "age": age,
            "occupation": occupation,
            "subscribed": subscribed,
            "orders": orders,
            "spent": spent.round(2),
        }
    )
    vae = VAETransformer(n_components=4, max_epochs=max_epochs, random_state=0).fit(table)
    return explorer(vae, table, table["occupation"], title="Customers of a shop")


PAGES = {"digits.html": digits, "customers.html": customers}


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        page = make()
        page.save(folder / name)
        print(f"{folder / name}: {page.n_shown} rows, {len(page.html) / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "examples-output")
