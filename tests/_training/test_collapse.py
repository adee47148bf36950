"""A model that does not use its latent dimensions warns, if there was something to learn."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from skorch.history import History

from skvae import VAETransformer
from skvae._rows.batches import TrainingRows
from skvae._training.fit import _features_depend, _may_collapse, _warn_of_collapse
from skvae.likelihoods import Bernoulli, Gaussian, Mixed, StudentT
from skvae.objectives import ELBO
from tests._training.helpers import model


def history(kl, n_steps=1000):
    found = History()
    for batches in (n_steps - 10, 10):
        found.new_epoch()
        found.record("train_batch_count", batches)
        if kl is not None:
            found.record("train_kl", kl)
    return found


def money(n_rows=1000, seed=0):
    """Return two pairs of columns with heavy tails whose logarithms are correlated at .99."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, n_rows, 2))
    return np.exp(1.5 * np.c_[first, 0.99 * first + np.sqrt(1 - 0.99**2) * second])


INDEPENDENT = np.random.default_rng(0).normal(size=(500, 6))
DEPENDENT = np.c_[INDEPENDENT, INDEPENDENT[:, :1] ** 3]


@pytest.mark.parametrize(
    ("X", "kl", "n_steps", "warns"),
    [
        (DEPENDENT, 0.03, 1000, True),
        (DEPENDENT, 0.05, 1000, False),  # more than a hundredth per dimension
        (INDEPENDENT, 0.0, 1000, False),
        (INDEPENDENT[:, :1], 0.0, 1000, False),
        (np.ones((500, 3)), 0.0, 1000, False),
        (DEPENDENT, 0.03, 100, False),  # not trained yet
        (DEPENDENT, None, 1000, False),
    ],
)
def test_a_collapse_warns_if_features_depend_on_each_other(X, kl, n_steps, warns):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _warn_of_collapse(X, history(kl, n_steps), 4)
    assert [warning.category for warning in caught] == [ConvergenceWarning] * warns


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("n_rows", [2, 10, 60, 5000])
def test_independent_features_never_depend(n_rows, seed):
    rng = np.random.default_rng(seed)
    assert not _features_depend(rng.standard_t(1.0, size=(n_rows, 50)))


@pytest.mark.parametrize(
    ("likelihood", "heavy_tailed"),
    [
        (Gaussian(), False),
        (StudentT(), True),
        (Mixed(columns=[("gaussian", [0, 1]), ("student_t", [2, 3, 4, 5])]), True),
        (Mixed(columns=[("gaussian", [0, 1, 2, 3, 4, 5])]), False),
    ],
    ids=["gaussian", "student_t", "mixed with student_t", "mixed without"],
)
def test_likelihoods_say_whether_they_have_heavy_tails(likelihood, heavy_tailed):
    assert likelihood.build(INDEPENDENT).heavy_tailed is heavy_tailed


def test_fit_warns_once_and_says_what_to_try(X):
    vae = model(objective=ELBO(beta=1e4), max_epochs=80, learning_rate=0.01)
    with pytest.warns(ConvergenceWarning, match=r"collapsed.*free_bits") as caught:
        vae.fit(X)
    assert len(caught) == 1


@pytest.mark.parametrize("likelihood", ["student_t", pytest.param("mixed", marks=pytest.mark.slow)])
def test_heavy_tails_do_not_collapse(likelihood):
    vae = VAETransformer(4, likelihood=likelihood, random_state=0).fit(money())
    assert vae.history_["train_kl"][-1] > 2
    ranks = vae.sample(2000, random_state=0).argsort(axis=0).argsort(axis=0)
    assert np.corrcoef(ranks[:, 0], ranks[:, 2])[0, 1] > 0.6
    assert np.corrcoef(ranks[:, 1], ranks[:, 3])[0, 1] > 0.6


@pytest.mark.parametrize(
    ("likelihood", "container"),
    [
        ("poisson", csr_array),
        pytest.param("negative_binomial", np.asarray, marks=pytest.mark.slow),
        pytest.param("bernoulli", np.asarray, marks=pytest.mark.slow),
    ],
)
def test_sparse_counts_do_not_collapse(likelihood, container):
    """Words of three topics, of which one in twenty occurs in a text."""
    rng = np.random.default_rng(0)
    rates = 0.05 * rng.gamma(0.3, 1 / 0.3, size=(3, 200))
    topic = rng.integers(3, size=600)
    X = rng.poisson(rates[topic]).astype(np.float32)
    X = np.minimum(X, 1) if likelihood == "bernoulli" else X
    vae = VAETransformer(2, likelihood=likelihood, max_epochs=40, random_state=0).fit(container(X))
    assert vae.history_["train_kl"][-1] > 1
    neighbours = KNeighborsClassifier().fit(vae.transform(X[:300]), topic[:300])
    assert neighbours.score(vae.transform(X[300:]), topic[300:]) > 0.9


def test_only_rows_that_say_little_at_first_may_collapse():
    bits = np.zeros((100, 5))
    bits[::20] = 1
    module = Bernoulli().build(bits)
    assert _may_collapse(module, TrainingRows(bits))
    assert not _may_collapse(module, TrainingRows(1 - bits))
    assert not _may_collapse(Gaussian().build(bits), TrainingRows(bits))
    gaps = np.where(np.arange(100)[:, None] % 4, np.nan, bits)  # of which a fifth are ones
    assert not _may_collapse(module, TrainingRows(gaps))
