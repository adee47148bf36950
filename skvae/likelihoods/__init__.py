"""Likelihoods: specs of p(x|z), its mean, its draws, and the data it accepts."""

from skvae.likelihoods._bernoulli import Bernoulli
from skvae.likelihoods._continuous_bernoulli import ContinuousBernoulli
from skvae.likelihoods._gaussian import Gaussian

__all__ = ["Bernoulli", "ContinuousBernoulli", "Gaussian"]
