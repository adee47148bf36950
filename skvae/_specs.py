"""What the parameters of an estimator stand for: short names, "auto", devices, callbacks."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.base import clone

from skvae._validation import InvalidParameterError
from skvae.likelihoods import Mixed
from skvae.likelihoods._names import OF_ONE_KIND
from skvae.networks import MLP, Conv, ResNet
from skvae.objectives import ELBO, IWAE, BetaTCVAE, InfoVAE
from skvae.priors import FlowPrior, MixturePrior, StandardNormal, VampPrior

SHORT_NAMES: dict[str, dict[str, type]] = {
    "network": {"mlp": MLP, "conv": Conv, "resnet": ResNet},
    "likelihood": {**OF_ONE_KIND, "mixed": Mixed},
    "prior": {
        "normal": StandardNormal,
        "vamp": VampPrior,
        "mixture": MixturePrior,
        "flow": FlowPrior,
    },
    "objective": {
        "elbo": ELBO,
        "iwae": IWAE,
        "beta_tcvae": BetaTCVAE,
        "info_vae": InfoVAE,
    },
}
SPEC_CLASSES = tuple(cls for names in SHORT_NAMES.values() for cls in names.values())
OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
_WIDE_ROWS = 256


def resolve_spec(role: str, spec: Any) -> Any:
    """Return the configured object behind a short name, and a copy of an object given."""
    if isinstance(spec, str):
        return SHORT_NAMES[role][spec]()
    if isinstance(spec, type):
        raise InvalidParameterError(
            f"The {role!r} parameter must be an object, got the class {spec.__name__}. Call it: "
            f"{role}={spec.__name__}()."
        )
    spec = clone(spec, safe=False)
    if hasattr(spec, "_parameter_constraints"):  # a user's own spec need not declare any
        spec._validate_params()
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


def check_callbacks(callbacks: list[Any] | None) -> list[Any] | None:
    """Return the callbacks, if skorch can take them: objects, classes, or pairs with a name."""
    for callback in callbacks or ():
        named = callback[-1] if isinstance(callback, tuple) and callback else callback
        if not hasattr(named, "on_train_begin"):
            raise InvalidParameterError(
                f"The 'callbacks' parameter must be a list of skorch callbacks, got {callback!r} "
                "in it."
            )
    return callbacks


def resolve_device(device: str | torch.device) -> str:
    """Return the device to train on; "auto" is a CUDA GPU where there is one, else the CPU."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as exc:
        raise ValueError(
            f"device={device!r} cannot be used here: {str(exc).splitlines()[0]} "
            "Choose device='cpu' or device='auto'."
        ) from exc
    return str(device)


def resolve_precision(precision: str, device: str, n_features: int) -> str:
    """Return the precision of the matrix products in training.

    "auto" is bfloat16 where the processor multiplies it natively and the rows are wide enough for
    the products to outweigh the casts, else float32.
    """
    if precision != "auto":
        return precision
    wide = n_features >= _WIDE_ROWS
    return "bfloat16" if wide and _multiplies_bfloat16(device) else "float32"


def _multiplies_bfloat16(device: str) -> bool:
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # an older torch cannot tell, and emulated bfloat16 is slower than float32
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False)
