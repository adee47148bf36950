"""The contracts: the least that a part of each kind must define, and what it inherits."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from torch import nn

import skvae
from skvae import VAEAnomalyDetector, VAETransformer
from skvae.likelihoods import Likelihood, LikelihoodModule, Support
from skvae.networks import Network
from skvae.objectives import Objective
from skvae.priors import Prior, PriorModule
from skvae.scores import Score


class Linear(Network):
    def build_encoder(self, n_features, n_outputs):
        return nn.Linear(n_features, n_outputs)

    def build_decoder(self, n_components, n_outputs, n_features):
        return nn.Linear(n_components, n_outputs)


class UnitNoise(Likelihood):
    def build(self, X):
        return UnitNoiseModule(self, n_outputs=X.shape[1])


class UnitNoiseModule(LikelihoodModule):
    def log_prob(self, outputs, x):
        return torch.distributions.Normal(outputs, 1.0).log_prob(x)

    def mean(self, outputs):
        return outputs

    def sample(self, outputs, generator=None):
        return outputs + torch.randn(outputs.shape, generator=generator, dtype=outputs.dtype)


class Wide(Prior):
    def __init__(self, *, scale=2.0):
        self.scale = scale

    def build(self, n_components, examples):
        return WideModule(n_components, self.scale)


class WideModule(PriorModule):
    def __init__(self, n_components, scale):
        super().__init__(n_components)
        self.scale = scale

    def log_prob(self, z):
        return torch.distributions.Normal(0.0, self.scale).log_prob(z).sum(-1)

    def sample(self, n_samples, generator=None):
        return self.scale * torch.randn(n_samples, self.n_components, generator=generator)


class Autoencoder(Objective):
    def __call__(self, module, x, *, epoch=None, generator=None):
        mean, log_var = module.encode(x)
        reconstruction = module.log_conditional(x, mean[:, None]).mean()
        kl = module.kl(mean, log_var, mean).sum(-1).mean()
        return {"loss": -reconstruction, "reconstruction": reconstruction, "kl": kl}


class Centrality(Score):
    def __call__(self, module, x, known, n_samples):
        return -module.encode(x)[0].square().sum(1)


PARTS = {
    "network": Linear,
    "likelihood": UnitNoise,
    "prior": Wide,
    "objective": Autoencoder,
    "anomaly_score": Centrality,
}
QUICK = {"max_epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(60, 4))


@pytest.mark.parametrize("role", PARTS)
def test_a_part_with_nothing_but_the_required_methods_serves(role, X, tmp_path):
    estimator_class = VAEAnomalyDetector if role == "anomaly_score" else VAETransformer
    vae = estimator_class(2, **QUICK, **{role: PARTS[role]()}).fit(X)
    scores, drawn = vae.score_samples(X), vae.sample(5, random_state=0)
    assert np.isfinite(scores).all()
    assert np.isfinite(drawn).all()
    assert_array_equal(clone(vae).fit(X).score_samples(X), scores)
    skvae.save(vae, tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae", trusted=[PARTS[role]])
    assert type(getattr(loaded, role)) is PARTS[role]
    assert_array_equal(loaded.score_samples(X), scores)
    assert_array_equal(loaded.sample(5, random_state=0), drawn)
    with pytest.raises(ValueError, match=PARTS[role].__name__):
        skvae.load(tmp_path / "model.skvae")


def test_users_parts_of_all_kinds_serve_together(X, tmp_path):
    detector = VAEAnomalyDetector(2, **QUICK, **{role: part() for role, part in PARTS.items()})
    scores = detector.fit(X).score_samples(X)
    assert np.ptp(scores) > 0
    skvae.save(detector, tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae", trusted=list(PARTS.values()))
    assert_array_equal(loaded.score_samples(X), scores)


def test_parameters_of_a_part_are_set_through_the_estimator_and_saved(X, tmp_path):
    vae = VAETransformer(2, **QUICK, prior=Wide()).set_params(prior__scale=3.0).fit(X)
    assert vae.module_.prior.scale == 3.0
    skvae.save(vae, tmp_path / "model.skvae")
    assert skvae.load(tmp_path / "model.skvae", trusted=[Wide]).module_.prior.scale == 3.0


@pytest.mark.parametrize("role", PARTS)
def test_a_class_that_does_not_derive_from_the_base_is_refused(role, X):
    estimator_class = VAEAnomalyDetector if role == "anomaly_score" else VAETransformer
    with pytest.raises(ValueError, match=f"'{role}' parameter of {estimator_class.__name__}"):
        estimator_class(2, **QUICK, **{role: object()}).fit(X)


def test_a_likelihood_is_by_default_unscaled_unbounded_and_undisturbed(X):
    module, x = UnitNoise().build(X), torch.from_numpy(X)
    assert module.standardize(x) is x
    assert module.redraw(x) is x
    assert module.support is None
    assert module.scaling == "auto"
    assert (module.n_outputs, repr(module.spec)) == (4, "UnitNoise()")


def test_a_support_by_default_leaves_values_where_they_are(X):
    assert Support().nearest(X) is X


def test_a_prior_has_by_default_no_closed_form_and_nothing_to_follow():
    module = Wide().build(2, None)
    zeros = torch.zeros(3, 2)
    assert module.kl(zeros, zeros) is None
    before = module.log_prob(zeros)
    module.follow(lambda rows: pytest.fail("the encoder was called"))
    module.conclude(lambda: pytest.fail("the rows were embedded"))
    assert torch.equal(module.log_prob(zeros), before)
    assert module.n_components == 2


def test_a_kl_divergence_without_closed_form_is_estimated_at_the_draws(X):
    module = VAETransformer(2, **QUICK, prior=Wide()).fit(X).module_
    mean, log_var = torch.tensor([[0.3, -0.2]]), torch.tensor([[-1.0, 0.5]])
    z = torch.tensor([[0.5, 0.1]])
    terms = module.kl(mean, log_var, z)
    q = torch.distributions.Normal(mean, (0.5 * log_var).exp())
    p = torch.distributions.Normal(0.0, 2.0)
    expected = (q.log_prob(z) - p.log_prob(z)).sum(-1, keepdim=True)
    torch.testing.assert_close(terms, expected)


def test_a_score_by_default_learns_nothing_and_decodes_once(X):
    score = Centrality()
    assert score.build(None, X, 16) == {}
    assert score.shapes(None) == {}
    assert score.n_draws(16) == 1
    assert score.unit == ""


@pytest.mark.parametrize(
    "call",
    [
        lambda: Network().build_encoder(2, 2),
        lambda: Network().build_decoder(2, 2, 2),
        lambda: Likelihood().build(np.zeros((2, 2))),
        lambda: LikelihoodModule(None, 1).log_prob(None, None),
        lambda: LikelihoodModule(None, 1).mean(None),
        lambda: LikelihoodModule(None, 1).sample(None),
        lambda: Support().check(np.zeros((2, 2)), None),
        lambda: Prior().build(2, None),
        lambda: PriorModule(2).log_prob(None),
        lambda: PriorModule(2).sample(1),
        lambda: Objective()(None, None),
        lambda: Score()(None, None, {}, 1),
    ],
)
def test_required_methods_raise_until_they_are_defined(call):
    with pytest.raises(NotImplementedError):
        call()


def test_parts_are_validated_by_their_constraints(X):
    class Bounded(Wide):
        _parameter_constraints = {"scale": [float]}

    with pytest.raises(ValueError, match="'scale' parameter of Bounded"):
        VAETransformer(2, **QUICK, prior=Bounded(scale="wide")).fit(X)
