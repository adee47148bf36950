"""Likelihoods: specs of the distribution p(x|z) of the rows given their latent vectors."""

from skvae._parts import Likelihood, LikelihoodModule, Support
from skvae.likelihoods._bernoulli import Bernoulli
from skvae.likelihoods._categorical import Categorical
from skvae.likelihoods._continuous_bernoulli import ContinuousBernoulli
from skvae.likelihoods._discretized_logistic import DiscretizedLogistic
from skvae.likelihoods._gaussian import Gaussian
from skvae.likelihoods._histogram import Histogram
from skvae.likelihoods._mixed import Mixed, mixed_likelihood
from skvae.likelihoods._negative_binomial import NegativeBinomial
from skvae.likelihoods._poisson import Poisson
from skvae.likelihoods._self_masking import SelfMaskingGaussian
from skvae.likelihoods._student_t import StudentT

__all__ = [
    "Bernoulli",
    "Categorical",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "Gaussian",
    "Histogram",
    "Likelihood",
    "LikelihoodModule",
    "Mixed",
    "NegativeBinomial",
    "Poisson",
    "SelfMaskingGaussian",
    "StudentT",
    "Support",
    "mixed_likelihood",
]
