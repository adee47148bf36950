"""A linear Gaussian model in closed form, with the interface of the module for objectives."""

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

from skvae.priors import PriorModule, StandardNormal

NOISE = 0.7


class LinearGaussian(torch.nn.Module):
    """x = loadings z + offset + noise, and a linear encoder, in double precision.

    With one latent dimension q(z|x) can be the true posterior, as `make_exact` sets it.
    """

    def __init__(self, n_components, n_rows=6, n_features=3):
        super().__init__()
        generator = torch.Generator().manual_seed(1234)  # not a seed that posterior draws have

        def draw(*shape):
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        self.x = draw(n_rows, n_features)
        self.loadings = torch.nn.Parameter(draw(n_features, n_components))
        self.offset = torch.nn.Parameter(draw(n_features))
        self.slope = torch.nn.Parameter(0.3 * draw(n_components, n_features))
        self.intercept = torch.nn.Parameter(0.3 * draw(n_components))
        self.log_var = torch.nn.Parameter(0.3 * draw(n_components) - 1)
        self.prior = StandardNormal().build(n_components)
        self.n_rows = None

    def encoder(self):
        return self.slope, self.intercept, self.log_var

    def encode(self, x):
        mean = x @ self.slope.T + self.intercept
        return mean, self.log_var.expand(mean.shape)

    def decode(self, z):
        return z @ self.loadings.T + self.offset

    def draw_posterior(self, mean, log_var, n_draws, generator):
        shape = len(mean), n_draws, mean.shape[1]
        noise = torch.randn(shape, generator=generator, dtype=mean.dtype)
        return mean[:, None] + (0.5 * log_var).exp()[:, None] * noise

    def log_conditional(self, x, z):
        return self.log_density(x[:, None], self.decode(z))

    def log_density(self, x, outputs):
        """Return log p(x|z) of rows, summed over their features."""
        return Independent(Normal(outputs, NOISE), 1).log_prob(x)

    def log_posterior(self, mean, log_var, z):
        return Independent(Normal(mean, (0.5 * log_var).exp()), 1).log_prob(z)

    def log_prior(self, z):
        return self.prior.log_prob(z)

    def sample_prior(self, n_samples, generator=None):
        return self.prior.sample(n_samples, generator)

    def kl(self, mean, log_var, z, log_prior=None):
        closed = self.prior.kl(mean, log_var)
        if closed is not None:
            return closed
        log_prior = self.log_prior(z) if log_prior is None else log_prior
        return (self.log_posterior(mean, log_var, z) - log_prior)[..., None]

    def repeated(self, n_times):
        """Repeat every row `n_times`, for as many independent draws at once."""
        self.x = self.x.repeat(n_times, 1)
        return self

    def log_likelihood(self):
        """Exact log p(x) of every row."""
        noise = NOISE**2 * torch.eye(len(self.loadings), dtype=torch.float64)
        covariance = self.loadings @ self.loadings.T + noise
        return MultivariateNormal(self.offset, covariance).log_prob(self.x).detach()

    @torch.no_grad()
    def make_exact(self):
        """Turn q(z|x) into p(z|x); with several dimensions, into its mean and variances."""
        eye = torch.eye(self.loadings.shape[1], dtype=torch.float64)
        precision = eye + self.loadings.T @ self.loadings / NOISE**2
        slope = torch.linalg.solve(precision, self.loadings.T) / NOISE**2
        self.slope.copy_(slope)
        self.intercept.copy_(-slope @ self.offset)
        self.log_var.copy_(torch.linalg.inv(precision).diagonal().log())
        return self


class OnlyDensity(PriorModule):
    """The distribution of another prior, without its closed-form KL divergence."""

    def __init__(self, prior):
        super().__init__(prior.n_components)
        self.log_prob, self.sample = prior.log_prob, prior.sample


@pytest.fixture
def linear():
    """The class of linear models, called with a number of latent dimensions."""
    return LinearGaussian


@pytest.fixture
def only_density():
    """Return a prior without a closed-form KL divergence, with the density of the one given."""
    return OnlyDensity


@pytest.fixture
def evaluate():
    """Evaluate an objective on the rows of the model, with a seed for the draws."""

    def evaluate(objective, model, seed=0, **options):
        generator = torch.Generator().manual_seed(seed)
        return objective(model, model.x, generator=generator, **options)

    return evaluate
