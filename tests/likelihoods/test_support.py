"""Errors for values that are not whole numbers in range: likelihood, column, value, remedy."""

import numpy as np
import pytest

from skvae import VAETransformer
from skvae.likelihoods import Categorical, DiscretizedLogistic, Mixed, NegativeBinomial, Poisson
from skvae.likelihoods._support import WholeNumbers
from skvae.networks import MLP

SOUND = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 1.0]])


def with_value(value, column):
    rows = SOUND.copy()
    rows[1, column] = value
    return rows


@pytest.mark.parametrize("likelihood", [Poisson(), NegativeBinomial()], ids=repr)
@pytest.mark.parametrize(("value", "shown"), [(-1.0, "-1"), (0.5, "0.5"), (1e16, "1e\\+16")])
def test_invalid_counts_raise(likelihood, value, shown):
    message = (
        rf"{type(likelihood).__name__}\(\) accepts whole numbers from 0 on, but column 2 of X "
        rf"holds {shown}. Round X if it holds counts, or choose likelihood='gaussian'"
    )
    with pytest.raises(ValueError, match=message):
        likelihood.build(with_value(value, 2))


@pytest.mark.parametrize(
    ("likelihood", "parameter"),
    [(Categorical(n_categories=4), "n_categories"), (DiscretizedLogistic(n_levels=4), "n_levels")],
)
@pytest.mark.parametrize("value", [-1.0, 1.5, 4.0])
def test_invalid_levels_raise(likelihood, parameter, value):
    message = rf"from 0 to 3, but column 1 of X holds {value:g}. Set '{parameter}'.*255"
    with pytest.raises(ValueError, match=message):
        likelihood.build(with_value(value, 1))
    assert likelihood.build(SOUND).n_outputs >= 3


def test_an_invalid_value_at_the_end_of_a_large_table_raises():
    rows = np.zeros((300_000, 2), dtype=np.float32)
    rows[-1, 1] = 0.25
    with pytest.raises(ValueError, match="column 1 of X holds 0.25"):
        WholeNumbers(10, "Round X").check(rows, "poisson")


@pytest.mark.parametrize(
    "likelihood", [Poisson(), Categorical(n_categories=4), Mixed(columns=[("poisson", [0, 1, 2])])]
)
def test_invalid_rows_after_fit_raise(likelihood):
    vae = VAETransformer(
        2, network=MLP(hidden_layer_sizes=(8,)), likelihood=likelihood, max_epochs=1
    ).fit(SOUND)
    assert np.isfinite(vae.score_samples(SOUND)).all()
    for method in (vae.score_samples, vae.transform, vae.reconstruct, vae.partial_fit):
        for value in (-1.0, 0.5):
            with pytest.raises(ValueError, match=rf"accepts whole numbers .*X holds {value:g}"):
                method(with_value(value, 2))
