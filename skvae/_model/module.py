"""The one torch module: encoder, decoder, likelihood and prior joined; no training, no files."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from skvae._parts import Likelihood, LikelihoodModule, Network, Prior, PriorModule
from skvae._random import isolated_rng
from skvae._rows.batches import Part
from skvae._scaling import filled_by_ranks
from skvae._validation import OutsideSupportError
from skvae.priors._class_conditional import ClassConditionalModule

_LOG_2PI = math.log(2 * math.pi)
_FILLER = 1.0  # stands for missing values in arithmetic; every likelihood accepts zeros and ones
_LOG_VAR_RANGE = (-20.0, 10.0)  # beyond it exp() leaves the range where KL and draws mean anything


class Parts(NamedTuple):
    """The specs and sizes of a module, with every "auto" resolved by the training rows."""

    network: Network
    likelihood: Likelihood
    prior: Prior
    n_features: int
    n_components: int
    has_gaps: bool = False  # whether training rows had gaps, so that the encoder sees where
    n_classes: int = 0  # of a classifier


class Sizes(NamedTuple):
    """The widths of what a module takes and gives, for scores that keep some of it."""

    n_features: int
    n_components: int
    n_measured: int  # width of the rows between which distances are measured


class VAEModule(nn.Module):
    """A variational autoencoder over rows in the units of X.

    Parameters
    ----------
    encoder : torch.nn.Module
        Maps standardised rows to (n_samples, 2 * n_components): means, then log variances.
    decoder : torch.nn.Module
        Maps (n_samples, n_components) to the likelihood's (n_samples, n_outputs).
    likelihood : LikelihoodModule
    prior : PriorModule
    parts : Parts
        The specs that built these.
    classifier : torch.nn.Module or None, default=None
        Maps standardised rows to (n_samples, n_classes), of a model that has classes.

    Attributes
    ----------
    n_rows : int or None
        Training rows of the last fit, for objectives that estimate q(z) of all rows from a batch.
    trains_without_gaps : bool
        Whether the rows of the present fit are known to have no missing values, so that batches
        need not be searched for them.
    warmup_epochs : float
        Epochs over which an objective should raise the weight of the KL term, if it has no number
        of its own.
    part : Part or None
        The rows of the present batch that this process evaluates, if several train together.
    """

    n_rows: int | None = None
    trains_without_gaps: bool = False
    warmup_epochs: float = 0.0
    part: Part | None = None

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: LikelihoodModule,
        prior: PriorModule,
        parts: Parts,
        classifier: nn.Module | None = None,
    ):
        super().__init__()
        self.parts = parts
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.prior = prior
        self.classifier = classifier
        self._double: list[Any] = []  # state of the weights, and the copy in double precision
        self._like: Tensor
        self.register_buffer("_like", torch.empty(0, device="cpu"), persistent=False)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of everything between input and output, which follows conversions."""
        return self._like.dtype

    @property
    def sizes(self) -> Sizes:
        """Widths of rows, latent vectors, and rows as distances are measured."""
        n_features = self.parts.n_features
        n_measured = self.likelihood.n_measured or n_features
        return Sizes(n_features, self.parts.n_components, n_measured)

    @property
    def prior_of_classes(self) -> ClassConditionalModule:
        """The prior of a model that has classes."""
        return cast(ClassConditionalModule, self.prior)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z|x), each (n_samples, n_components).

        The posterior of a row without observed values is the prior, or a Gaussian with its moments.
        """
        x, observed = self.split_gaps(x)
        inputs = _encoder_inputs(self.likelihood, x, observed, self.parts.has_gaps)
        mean, log_var = self._posterior(inputs)
        if observed is None or self.training or torch.compiler.is_compiling():
            return mean, log_var  # no row to train on is without values
        is_empty = ~observed.any(-1, keepdim=True)
        if is_empty.any():
            moments = [moment.to(mean) for moment in self.prior.moments()]
            mean = torch.where(is_empty, moments[0], mean)
            log_var = torch.where(is_empty, moments[1].clamp(*_LOG_VAR_RANGE), log_var)
        return mean, log_var

    def encoder_inputs(self, x: Tensor) -> Tensor:
        """Return the rows as the encoder and the classifier take them, (n_samples, n_inputs)."""
        x, observed = self.split_gaps(x)
        return _encoder_inputs(self.likelihood, x, observed, self.parts.has_gaps)

    def log_classes(self, inputs: Tensor) -> Tensor:
        """Return log q(y|x) of all classes by `encoder_inputs`, (n_samples, n_classes)."""
        assert self.classifier is not None
        return self.classifier(inputs.to(self.dtype)).to(self.dtype).log_softmax(-1)

    def classify(self, x: Tensor) -> Tensor:
        """Return log q(y|x) of all classes, (n_samples, n_classes).

        Of a row without observed values it is the share of the class.
        """
        log_probs = self.log_classes(self.encoder_inputs(x))
        if torch.compiler.is_compiling():
            return log_probs
        is_empty = x.isnan().all(-1, keepdim=True)
        return torch.where(is_empty, self.prior_of_classes.log_shares.to(log_probs), log_probs)

    def log_classes_of(self, z: Tensor) -> Tensor:
        """Return log p(y|z) of all classes, (..., n_classes)."""
        with _full_precision(z):
            return self.prior_of_classes.log_joint(z).log_softmax(-1)

    def split_gaps(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return rows with ones for missing values, and which are observed; None if all are."""
        if self.training and self.trains_without_gaps:
            return x, None
        return _split_gaps(x)

    def decode(self, z: Tensor) -> Tensor:
        """Return the parameters of p(x|z), (..., n_outputs)."""
        rows = z.to(self.dtype).flatten(end_dim=-2)  # some layers take rows alone
        return self.decoder(rows).to(self.dtype).unflatten(0, z.shape[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct: the mean of p(x|z) at the posterior mean, in the units of X."""
        mean, _ = self.encode(x)
        return self.likelihood.mean(self.decode(mean))

    def draw_posterior(
        self, mean: Tensor, log_var: Tensor, n_draws: int, generator: torch.Generator | None
    ) -> Tensor:
        """Draw z = mean + std * noise from q(z|x), (n_samples, n_draws, n_components)."""
        n_rows, own = len(mean), slice(None)
        if self.part is not None and self.part.size == n_rows:  # the same noise as in one process
            n_rows, own = self.part.n_rows, self.part.rows
        shape = (n_rows, n_draws, mean.shape[1])
        noise = torch.randn(shape, generator=generator, device=mean.device, dtype=mean.dtype)[own]
        return torch.addcmul(mean[:, None], (0.5 * log_var).exp()[:, None], noise)

    def log_conditional(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x|z) of every row at each of its draws, in nats, (n_samples, n_draws).

        Of the observed values, if some are missing (NaN).
        """
        return self.log_observed(x, self.decode(z))

    def log_observed(self, x: Tensor, outputs: Tensor) -> Tensor:
        """Return log p(x|z) by the outputs of the decoder, (n_samples, n_draws, n_outputs)."""
        x, observed = self.split_gaps(x)
        log_prob = self.likelihood.log_prob(outputs, x[:, None])
        if observed is not None:
            log_missing = self.likelihood.log_missing(outputs)
            log_prob = torch.where(observed[:, None], log_prob, log_missing)
        return log_prob.sum(-1)

    def redraw(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the rows that a training step sees in place of `x`, with the same gaps."""
        x, observed = self.split_gaps(x)
        redrawn = self.likelihood.redraw(x, generator)
        return redrawn if observed is None else redrawn.masked_fill(~observed, math.nan)

    def log_posterior(self, mean: Tensor, log_var: Tensor, z: Tensor) -> Tensor:
        """Return log q(z|x) in nats, (...,)."""
        squares = (z - mean).square() / log_var.exp()
        return -0.5 * (squares + log_var + _LOG_2PI).sum(-1)

    def log_weights(
        self, x: Tensor, mean: Tensor, log_var: Tensor, z: Tensor, outputs: Tensor
    ) -> Tensor:
        """Return log p(x, z) - log q(z|x) of draws from q(z|x), (n_samples, n_draws).

        These are the logarithms of their importance weights. `outputs` are those of the decoder.
        """
        log_q = self.log_posterior(mean[:, None], log_var[:, None], z)
        return self.log_observed(x, outputs) + self.log_prior(z) - log_q

    def log_prior(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, (...,)."""
        if self.training:
            self.prior.follow(self._posterior)
        with _full_precision(z):
            return self.prior.log_prob(z)

    def kl(
        self, mean: Tensor, log_var: Tensor, z: Tensor, log_prior: Tensor | None = None
    ) -> Tensor:
        """Return KL(q(z|x) || p(z)) in nats as terms that sum over the last dimension.

        One term per latent dimension if the prior has a closed form, else a single term estimated
        at the draws `z`. A `log_prior` of the draws that is known already is not computed again.
        """
        closed = self.prior.kl(mean, log_var)
        if closed is not None:
            return closed
        log_prior = self.log_prior(z) if log_prior is None else log_prior
        return (self.log_posterior(mean, log_var, z) - log_prior)[..., None]

    def sample_prior(
        self, n_samples: int, generator: torch.Generator | None = None, label: int | None = None
    ) -> Tensor:
        """Draw from p(z), or from p(z|y) of a class, (n_samples, n_components)."""
        if self.training:
            self.prior.follow(self._posterior)
        if label is None:
            return self.prior.sample(n_samples, generator)
        return self.prior_of_classes.sample_class(label, n_samples, generator)

    def train(self, mode: bool = True) -> VAEModule:
        """Switch training on or off; when it ends, the prior follows the encoder once more."""
        super().train(mode)
        if not mode:
            with torch.no_grad():
                self.prior.follow(self._posterior)
        return self

    def in_precision(self, dtype: np.dtype) -> VAEModule:
        """Return the module for float32 rows, a copy in double precision for float64 rows.

        The copy is kept until a weight changes.
        """
        if dtype != np.float64:
            return self
        tensors = (*self.parameters(), *self.buffers())
        state = [(tensor.data_ptr(), tensor._version) for tensor in tensors]
        kept = self._double  # read once: another thread may replace it
        if not kept or kept[0] != state:
            self._double = kept = [state, copy.deepcopy(self).double().eval()]
        return kept[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_double": []}

    def _posterior(self, standardized: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.encoder(standardized.to(self.dtype)).to(self.dtype)
        mean, log_var = outputs.chunk(2, -1)
        return mean, log_var.clamp(*_LOG_VAR_RANGE)


def build_module(
    network: Network,
    likelihood: Likelihood,
    prior: Prior,
    X: np.ndarray,
    n_components: int,
    labels: np.ndarray | None = None,
    n_classes: int = 0,
) -> VAEModule:
    """Build fresh parts from the specs and join them.

    `labels` are the numbers of the classes of the rows, -1 for those without a label, of a model
    with `n_classes` of them.

    Raises
    ------
    ValueError
        If a part returns an output of the wrong shape.
    """
    filled = filled_by_ranks(X)  # X itself if nothing is missing
    density = _build_likelihood(likelihood, X, filled)

    def examples(n_rows: int, label: int | None = None) -> Tensor:
        of_label = labels == label
        known = X[of_label] if label is not None and np.any(of_label) else X
        rows = known[torch.randint(len(known), (n_rows,)).numpy()]
        x, observed = _split_gaps(torch.from_numpy(rows))
        inputs = _encoder_inputs(density, x, observed, parts.has_gaps)
        return inputs.to(torch.get_default_dtype())

    sizes = X.shape[1], n_components, filled is not X, n_classes
    parts = Parts(network, density.spec, prior, *sizes)
    module = _join(parts, density, examples)
    _check_shapes(module, torch.from_numpy(X[:2].copy()))
    return module


def restore_module(parts: Parts, weights: dict[str, Tensor], device: str = "meta") -> VAEModule:
    """Rebuild a module from its specs and weights, without its training rows.

    It is built on `device` before the weights are put in; on "meta" that takes no memory, whatever
    sizes the specs name.

    Raises
    ------
    ValueError
        If the weights are not those of such a module.
    """
    for spec in (parts.network, parts.likelihood, parts.prior):
        spec.validate()
    _check_sizes(parts, weights)
    rows = np.zeros((2, parts.n_features), dtype=np.float32)
    rows[1] = 1.0  # every likelihood accepts zeros and ones
    with isolated_rng(0), torch.device(device):
        density = parts.likelihood.build(rows)
        width = (density.n_inputs or parts.n_features) + parts.has_gaps * parts.n_features
        blanks: Any = _blank_examples(width) if parts.prior.keeps_examples else None
        module = _join(parts, density, blanks)
    load_weights(module, weights, assign=True)
    return module.eval()


def _blank_examples(width: int) -> Callable[..., Tensor]:
    """Return a function that stands for the draws of training rows, which a file does not hold."""
    return lambda n_rows, label=None: torch.zeros(n_rows, width)


def _check_sizes(parts: Parts, weights: dict[str, Tensor]) -> None:
    """Refuse sizes that the weights cannot fill, before anything of these sizes is built."""
    n_values = sum(tensor.numel() for tensor in weights.values())
    n_own = sum(w.numel() for name, w in weights.items() if name.startswith("likelihood."))
    if (
        max(parts.n_features, parts.n_components, parts.n_classes or 1) > n_values
        or parts.likelihood.least_values(parts.n_features) > n_own
    ):
        raise ValueError(
            f"it declares {parts.n_features} features, {parts.n_components} components and "
            f"{parts.n_classes} classes, but holds {n_values} weights, {n_own} of them of the "
            "likelihood"
        )


def load_weights(module: VAEModule, weights: dict[str, Tensor], *, assign: bool = False) -> None:
    """Load weights and buffers into a module.

    Raises
    ------
    ValueError
        If a name, shape, dtype or value cannot be right.
    """
    check_weights(module, weights)
    if assign:
        _assign(module, weights)
    else:
        module.load_state_dict(weights)


def _assign(module: VAEModule, weights: dict[str, Tensor]) -> None:
    """Put weights and buffers in place; `load_state_dict` takes time for modules times weights."""
    for path, owner in module.named_modules():
        prefix = f"{path}." if path else ""
        for name, parameter in [*owner.named_parameters(recurse=False)]:
            own = nn.Parameter(weights[prefix + name], requires_grad=parameter.requires_grad)
            setattr(owner, name, own)
        for name, _ in [*owner.named_buffers(recurse=False)]:
            if prefix + name in weights:  # else it is not persistent
                setattr(owner, name, weights[prefix + name])


def check_weights(module: VAEModule, weights: dict[str, Tensor]) -> None:
    """Refuse weights and buffers that are not those of a module.

    Raises
    ------
    ValueError
        If a name, shape, dtype or value cannot be right.
    """
    expected = module.state_dict()
    if expected.keys() != weights.keys():
        names = sorted(expected.keys() ^ weights.keys())
        raise ValueError(f"its parameters do not fit its weights, for instance {names[0]!r}")
    for name, tensor in weights.items():
        like = expected[name]
        if tensor.shape != like.shape or tensor.dtype != like.dtype:
            raise ValueError(
                f"its weights {name!r} are {tensor.dtype} of shape {tuple(tensor.shape)}, but "
                f"its parameters need {like.dtype} of shape {tuple(like.shape)}"
            )
        if not tensor.isfinite().all():
            raise ValueError(f"its weights {name!r} are not finite")


def _join(parts: Parts, density: LikelihoodModule, examples: Callable[..., Tensor]) -> VAEModule:
    """Join fresh parts; `examples` draws standardised training rows, for a prior made of rows."""
    network, n_components = parts.network, parts.n_components
    n_features = density.n_inputs or parts.n_features

    def encoder(n_outputs: int) -> nn.Module:
        if parts.has_gaps:
            return network.build_gap_encoder(n_features, parts.n_features, n_outputs)
        return network.build_encoder(n_features, n_outputs)

    return VAEModule(
        encoder(2 * n_components),
        network.build_decoder(n_components, density.n_outputs, n_features),
        density,
        parts.prior.build(n_components, examples),
        parts,
        encoder(parts.n_classes) if parts.n_classes else None,
    )


def _build_likelihood(
    likelihood: Likelihood, X: np.ndarray, filled: np.ndarray
) -> LikelihoodModule:
    """Build a likelihood for rows that may have gaps, from the rows without them."""
    try:
        return likelihood.build(X) if filled is X else likelihood.build_with_gaps(X, filled)
    except OutsideSupportError as exc:  # the value may stand in a gap
        column = exc.column
        row = np.flatnonzero(X[:, column] == filled[exc.row, column])[0]
        raise exc.at(row=int(row)) from None


def _split_gaps(x: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return rows with a filler for missing values, and which are observed; None if all are."""
    observed = ~x.isnan()
    if not torch.compiler.is_compiling() and observed.all():
        return x, None
    return torch.where(observed, x, _FILLER), observed


def _encoder_inputs(
    likelihood: LikelihoodModule, x: Tensor, observed: Tensor | None, has_gaps: bool
) -> Tensor:
    """Return standardised rows with zeros for missing values and, with `has_gaps`, indicators."""
    inputs = likelihood.standardize(x)
    if observed is not None:
        inputs = likelihood.blank(inputs, observed)
    if not has_gaps:
        return inputs
    gaps = torch.zeros_like(x) if observed is None else (~observed).to(x)
    return torch.cat([inputs, gaps.to(inputs)], -1)


def _full_precision(z: Tensor) -> Any:
    """Return a context without autocast: bfloat16 would blur the density of a learned prior."""
    kind = z.device.type
    if not torch.is_autocast_enabled(kind):
        return nullcontext()
    return torch.autocast(kind, enabled=False)


@torch.no_grad()
def _check_shapes(module: VAEModule, x: Tensor) -> None:
    module.eval()
    n_components = module.parts.n_components
    inputs = _encoder_inputs(module.likelihood, *_split_gaps(x), module.parts.has_gaps)
    inputs = inputs.to(module.dtype)
    latents = torch.zeros(len(x), n_components, dtype=module.dtype)
    for name, part, example, width in (
        ("encoder", module.encoder, inputs, 2 * n_components),
        ("decoder", module.decoder, latents, module.likelihood.n_outputs),
    ):
        shape = tuple(part(example).shape)
        if shape != (len(x), width):
            raise ValueError(
                f"The {name} built by network={module.parts.network!r} returned an array of shape "
                f"{shape} for an input of shape {tuple(example.shape)}; expected "
                f"{(len(x), width)}. build_{name} must honour the number of outputs that it is "
                "given."
            )
    module.train()
