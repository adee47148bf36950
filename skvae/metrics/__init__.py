"""Metrics of generative models: samples, likelihoods, latent spaces, reconstructions, tables."""

from skvae.metrics._active_units import active_units
from skvae.metrics._bits import bits_per_dim
from skvae.metrics._frechet import frechet_distance
from skvae.metrics._inception import inception_score
from skvae.metrics._labelled_scorer import labelled_scorer
from skvae.metrics._log_likelihood import log_likelihood
from skvae.metrics._pool import pool
from skvae.metrics._reconstruction_error import reconstruction_error
from skvae.metrics._table_quality import table_quality

__all__ = [
    "active_units",
    "bits_per_dim",
    "frechet_distance",
    "inception_score",
    "labelled_scorer",
    "log_likelihood",
    "pool",
    "reconstruction_error",
    "table_quality",
]
