"""Write the explorers of the documentation: `python examples/explorers.py FOLDER`.

Two pages that open in a browser without a network: digits in two latent dimensions, and the
invented customers of a shop. Each takes less than a minute.
"""

import sys
from pathlib import Path

from sklearn.datasets import load_digits

from skvae import VAETransformer
from skvae.datasets import make_customers
from skvae.plotting import explorer


def digits(max_epochs="auto"):
    """Return the explorer of handwritten digits."""
    X, y = load_digits(return_X_y=True)
    vae = VAETransformer(n_components=2, max_epochs=max_epochs, random_state=0).fit(X)
    return explorer(vae, X, y, title="Handwritten digits in two dimensions")


def customers(max_epochs="auto", n_rows=2000):
    """Return the explorer of a table with text, dates, booleans and amounts."""
    table = make_customers(n_rows, random_state=0)
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
