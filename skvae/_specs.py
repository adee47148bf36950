"""One table: the short names of all parts, and the configured objects that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from sklearn.base import clone

from skvae._parts import Part
from skvae._training.optimizers import SGD, AdamW
from skvae._validation import InvalidParameterError
from skvae.likelihoods import Gaussian, Mixed, SelfMaskingGaussian
from skvae.likelihoods._names import OF_ONE_KIND
from skvae.networks import MLP, Conv, ResNet
from skvae.objectives import ELBO, IWAE, BetaTCVAE, InfoVAE
from skvae.priors import (
    ClassConditional,
    ExPostMixture,
    FlowPrior,
    MixturePrior,
    StandardNormal,
    VampPrior,
)
from skvae.scores import Combined
from skvae.scores._combined import SINGLE_SCORES

SHORT_NAMES: dict[str, dict[str, Callable[[], Part]]] = {
    "network": {"auto": MLP, "mlp": MLP, "conv": Conv, "resnet": ResNet},
    "likelihood": {"auto": Gaussian, **OF_ONE_KIND, "mixed": Mixed},
    "prior": {
        "auto": StandardNormal,
        "normal": StandardNormal,
        "vamp": VampPrior,
        "mixture": MixturePrior,
        "flow": FlowPrior,
        "ex_post": ExPostMixture,
    },
    "objective": {
        "auto": ELBO,
        "elbo": ELBO,
        "iwae": IWAE,
        "beta_tcvae": BetaTCVAE,
        "info_vae": InfoVAE,
    },
    "anomaly_score": {**SINGLE_SCORES, "combined": Combined},
}
# "auto" for a data frame with names or dates (benchmarks/quality/README.md, "Synthetic tables")
OF_TABLES: dict[str, Part] = {
    "network": MLP(hidden_layer_sizes=(512, 512), activation="silu"),
    "likelihood": Mixed(),
    "prior": MixturePrior(n_mixtures=1000),
}
# "auto" for an imputer (benchmarks/quality/README.md, "Missing values")
OF_GAPS: dict[str, Part] = {
    "likelihood": Gaussian(noise_floor=0.02),
    "network": MLP(activation="silu", residual=True),
    "prior": MixturePrior(n_mixtures=20),
    "objective": IWAE(n_samples=8, gradient="doubly_reparameterized"),
}
# "auto" for an imputer of values that are missing because of what they are
OF_SELF_MASKING: dict[str, Part] = {
    "likelihood": SelfMaskingGaussian(noise_floor=0.02),
    "network": MLP(hidden_layer_sizes=(64, 64), activation="silu", linear_decoder=True),
    "prior": StandardNormal(),
    "objective": IWAE(n_samples=20),
}
# "auto" for a classifier: the distribution of each class
OF_CLASSES: dict[str, Part] = {"prior": MixturePrior(n_mixtures=10)}
SPEC_CLASSES: tuple[type[Part], ...] = (
    *{type(make()): None for names in SHORT_NAMES.values() for make in names.values()},
    ClassConditional,
    SelfMaskingGaussian,
)
OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": AdamW,
    "sgd": SGD,
}


def resolve(role: str, spec: Any, autos: Mapping[str, Part] = MappingProxyType({})) -> Any:
    """Return the configured object behind a short name, or a copy of the object given.

    `autos` has the roles for which "auto" is another object than usual, with these.

    Raises
    ------
    InvalidParameterError
        If a parameter of the object is out of range.
    """
    if isinstance(spec, str):
        is_special = spec == "auto" and role in autos
        spec = autos[role] if is_special else SHORT_NAMES[role][spec]()
    spec = clone(spec)
    spec.validate()
    return spec


def resolve_optimizer(optimizer: str | type) -> type[torch.optim.Optimizer]:
    """Return the class behind a short name, or the class given."""
    if isinstance(optimizer, str):
        return OPTIMIZERS[optimizer]
    if not issubclass(optimizer, torch.optim.Optimizer):
        raise InvalidParameterError(
            "The 'optimizer' parameter must be 'adam', 'sgd' or a subclass of "
            f"torch.optim.Optimizer, got {optimizer!r}."
        )
    return optimizer
