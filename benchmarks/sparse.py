"""Sparse counts: seconds per step, memory, and the embedding beside TruncatedSVD.

    python benchmarks/sparse.py [--rows 20000] [--features 20000] [--density 0.01]
        [--dense-features 2000] [--epochs 3] [--embedding-epochs 40]
        [--likelihoods gaussian negative_binomial] [--repeats 1] [--json FILE]

The rows are word counts generated from ten topics, whose words overlap, in a CSR matrix. The first
table compares a step on them with a step on dense rows of fewer features, with the same network,
in processes of their own; "added MB" is the peak of memory above libraries and data. The second
table has the accuracy of 5-NN on 16 dimensions, of 1,500 rows of 1,000 words, half of which are the
neighbours. The VAEs have the likelihood of Poisson, and TruncatedSVD gets the logarithms of counts.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from _harness import Spread, arguments, report, take_turns
from _processes import fresh_process
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from skvae import VAETransformer
from skvae.objectives import ELBO

N_TOPICS = 10
PROGRAM = """
import json, sys
import numpy as np
from _processes import peak_bytes
from sparse import topics
from skvae import VAETransformer

kind, likelihood = sys.argv[1:3]
n_rows, n_features, density, n_epochs = map(float, sys.argv[3:])
few, _ = topics(100, 50, 0.1)
VAETransformer(max_epochs=1, random_state=0).fit(few)
X, _ = topics(int(n_rows), int(n_features), density)
X = X.toarray() if kind == "dense" else X
before = peak_bytes()
settings = {"likelihood": likelihood, "max_epochs": int(n_epochs), "precision": "float32"}
vae = VAETransformer(batch_size=128, random_state=0, **settings).fit(X)
seconds = float(vae.history_["duration"].sum())
print(json.dumps([1e3 * seconds / vae.n_steps_, (peak_bytes() - before) / 2**20]))
"""


def main():
    settings = arguments(
        __doc__,
        repeats=1,
        rows=20_000,
        features=20_000,
        density=0.01,
        dense_features=2000,
        epochs=3,
        embedding_epochs=40,
        likelihoods=["gaussian", "negative_binomial"],
    )
    sizes = {"sparse": settings.features, "dense": settings.dense_features}
    jobs = {
        (likelihood, kind): partial(
            fresh_process,
            PROGRAM,
            *(kind, likelihood, settings.rows, sizes[kind], settings.density, settings.epochs),
        )
        for likelihood in settings.likelihoods
        for kind in sizes
    }
    found = take_turns(jobs, settings.repeats)
    steps = [
        {
            "likelihood": likelihood,
            "rows": kind,
            "features": sizes[kind],
            "ms per step": Spread.of([step for step, _ in found[likelihood, kind]]),
            "added MB": Spread.of([added for _, added in found[likelihood, kind]]),
        }
        for likelihood, kind in jobs
    ]
    report(f"Steps on {settings.rows:,} rows, batches of 128", steps, settings)
    report("5-NN accuracy on 16 dimensions", _accuracies(settings.embedding_epochs), settings)


def topics(n_rows, n_features, density, seed=0):
    """Return counts in a CSR array, and the topic of each row."""
    rng = np.random.default_rng(seed)
    weights = rng.gamma(0.3, size=(N_TOPICS, n_features)) + 0.3  # words of all topics, in the main
    edges = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    topic = rng.integers(0, N_TOPICS, n_rows)
    lengths = np.maximum(1, rng.poisson(density * n_features, n_rows))
    words = [
        np.searchsorted(edges[k], rng.random(n)).clip(max=n_features - 1)
        for k, n in zip(topic, lengths, strict=True)
    ]
    row = np.repeat(np.arange(n_rows), lengths)
    counts = (np.ones(len(row), dtype=np.float32), (row, np.concatenate(words)))
    return sparse.csr_array(sparse.coo_array(counts, shape=(n_rows, n_features))), topic


def _accuracies(n_epochs):
    X, topic = topics(1500, 1000, density=0.05)
    objectives = (ELBO(), ELBO(warmup=0), ELBO(free_bits=0.1))
    models = {str(one): _vae(one, n_epochs).fit(X).transform(X) for one in objectives}
    models["TruncatedSVD"] = TruncatedSVD(16, random_state=0).fit_transform(X.log1p())
    return [
        {
            "embedding": name,
            "accuracy": float(cross_val_score(KNeighborsClassifier(5), Z, topic, cv=2).mean()),
        }
        for name, Z in models.items()
    ]


def _vae(objective, n_epochs):
    params = {"likelihood": "poisson", "max_epochs": n_epochs, "random_state": 0}
    return VAETransformer(16, objective=objective, **params)


if __name__ == "__main__":
    main()
