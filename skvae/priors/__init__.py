"""Priors: specs of p(z), the distribution that latent vectors are drawn from."""

from skvae.priors._standard_normal import StandardNormal

__all__ = ["StandardNormal"]
