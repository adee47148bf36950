"""Priors: specs of p(z), the distribution that latent vectors are drawn from."""

from skvae.priors._flow import FlowPrior
from skvae.priors._mixture import MixturePrior
from skvae.priors._standard_normal import StandardNormal
from skvae.priors._vamp import VampPrior

__all__ = ["FlowPrior", "MixturePrior", "StandardNormal", "VampPrior"]
