"""The short names of the likelihoods."""

from __future__ import annotations

from skvae._parts import Likelihood
from skvae.likelihoods._bernoulli import Bernoulli
from skvae.likelihoods._categorical import Categorical
from skvae.likelihoods._continuous_bernoulli import ContinuousBernoulli
from skvae.likelihoods._discretized_logistic import DiscretizedLogistic
from skvae.likelihoods._gaussian import Gaussian
from skvae.likelihoods._histogram import Histogram
from skvae.likelihoods._negative_binomial import NegativeBinomial
from skvae.likelihoods._poisson import Poisson
from skvae.likelihoods._student_t import StudentT

OF_ONE_KIND: dict[str, type[Likelihood]] = {
    "gaussian": Gaussian,
    "student_t": StudentT,
    "bernoulli": Bernoulli,
    "continuous_bernoulli": ContinuousBernoulli,
    "categorical": Categorical,
    "discretized_logistic": DiscretizedLogistic,
    "histogram": Histogram,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
}
