"""Priors: specs of the distribution p(z) of latent vectors."""

from skvae._parts import Prior, PriorModule
from skvae.priors._class_conditional import ClassConditional
from skvae.priors._ex_post import ExPostMixture
from skvae.priors._flow import FlowPrior
from skvae.priors._mixture import MixturePrior
from skvae.priors._standard_normal import StandardNormal
from skvae.priors._vamp import VampPrior

__all__ = [
    "ClassConditional",
    "ExPostMixture",
    "FlowPrior",
    "MixturePrior",
    "Prior",
    "PriorModule",
    "StandardNormal",
    "VampPrior",
]
