"""Objectives: what training maximises, from the module and a batch of rows."""

from skvae.objectives._elbo import ELBO

__all__ = ["ELBO"]
