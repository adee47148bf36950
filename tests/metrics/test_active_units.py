"""Active latent dimensions of posteriors made by hand and of a model with too many dimensions."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import VAETransformer
from skvae.metrics import active_units
from skvae.networks import MLP


class Posterior:
    """Estimator whose posterior means are X."""

    def posterior(self, X):
        return np.asarray(X, dtype=np.float32), np.ones_like(X)


def test_dimensions_with_variance_above_the_threshold_are_active():
    up_down = np.array([[-1.0], [1.0]] * 50)
    X = up_down * np.sqrt([0.0, 0.0099, 0.0101, 1.0])  # variances
    assert active_units(Posterior(), X) == 2
    assert active_units(Posterior(), X, threshold=0.5) == 1
    assert active_units(Posterior(), X, threshold=0) == 3


def test_constant_dimensions_are_not_active():
    X = np.tile([[100.0, -3.0]], (50, 1))
    assert active_units(Posterior(), X) == 0
    assert type(active_units(Posterior(), X)) is int


def test_a_linear_model_uses_as_many_dimensions_as_the_rows_have_factors():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 10)) + 0.3 * rng.normal(size=(400, 10))
    linear = MLP(hidden_layer_sizes=())
    vae = VAETransformer(8, network=linear, learning_rate=0.02, max_epochs=50, random_state=0)
    vae.fit(X)
    assert active_units(vae, X) == 2


def test_invalid_input_raises():
    X = np.random.default_rng(0).normal(size=(20, 3))
    pipeline = make_pipeline(StandardScaler(), VAETransformer())
    with pytest.raises(ValueError, match=r"Pipeline has no .*'posterior'.*pipeline\[:-1\]"):
        active_units(pipeline, X)
    with pytest.raises(ValueError, match="StandardScaler has no .* fitted VAETransformer"):
        active_units(StandardScaler(), X)
    with pytest.raises(NotFittedError):
        active_units(VAETransformer(), X)
    with pytest.raises(ValueError, match="'threshold' must be a number of at least 0, got -1"):
        active_units(Posterior(), X, threshold=-1)
    with pytest.raises(ValueError, match="at least two rows, got 1"):
        active_units(Posterior(), X[:1])
