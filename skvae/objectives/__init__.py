"""Objectives: specs of the loss that training minimises, computed from a batch of rows."""

from skvae._parts import Objective
from skvae.objectives._beta_tcvae import BetaTCVAE
from skvae.objectives._elbo import ELBO
from skvae.objectives._info_vae import InfoVAE
from skvae.objectives._iwae import IWAE

__all__ = ["ELBO", "IWAE", "BetaTCVAE", "InfoVAE", "Objective"]
