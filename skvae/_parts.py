"""The contracts: a base class for each kind of part, with defaults for what a part may omit.

A part is a spec, which holds parameters and no weights; the modules that it builds hold the
weights. Users' own parts derive from these classes under their public names, such as
`skvae.networks.Network`.
"""

# Over 500 lines: all contracts on one page, of whose lines nine in ten are docstrings.

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skvae._validation import DocumentedEstimator, OutsideSupportError

Encode = Callable[[Tensor], tuple[Tensor, Tensor]]
_DRAWS_OF_MOMENTS = 2**14
_CHUNK_VALUES = 2**18  # checked at a time, so that a mask takes no memory of the size of X


class Part(DocumentedEstimator):
    """Base of all specs: parameters, compared and cloned by their values."""

    _parameter_constraints: dict = {}

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        # scikit-learn's own takes time that is exponential in the depth of parts in parts
        shown = copy.copy(self)
        for name, value in self.get_params(deep=False).items():
            setattr(shown, name, _with_texts(value))
        return BaseEstimator.__repr__(shown, N_CHAR_MAX)

    def validate(self) -> None:
        """Refuse parameters that are out of range, before any row is seen.

        Raises
        ------
        InvalidParameterError
            Naming the parameter, its value, and what was expected.
        """
        self._validate_params()


class _Text:
    """Stands for a part of which the representation is known."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _with_texts(value: Any) -> Any:
    """Return a value with the representations of parts in their place."""
    if isinstance(value, Part):
        return _Text(repr(value))
    if type(value) in (list, tuple):
        return type(value)(map(_with_texts, value))
    if type(value) is dict:
        return {key: _with_texts(item) for key, item in value.items()}
    return value


class Network(Part):
    """Base of the networks: specs that build an encoder and a decoder.

    See Also
    --------
    skvae.networks.MLP : The default.

    Examples
    --------
    >>> from torch import nn
    >>> from skvae.networks import Network
    >>> class Linear(Network):
    ...     def build_encoder(self, n_features, n_outputs):
    ...         return nn.Linear(n_features, n_outputs)
    ...
    ...     def build_decoder(self, n_components, n_outputs, n_features):
    ...         return nn.Linear(n_components, n_outputs)
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> VAETransformer(2, network=Linear(), max_epochs=2, random_state=0).fit_transform(X).shape
    (150, 2)
    """

    __module__ = "skvae.networks"

    def build_encoder(self, n_features: int, n_outputs: int) -> nn.Module:
        """Build a fresh encoder.

        Parameters
        ----------
        n_features : int
            Width of the rows.
        n_outputs : int
            Number of values per row that parametrise q(z|x).

        Returns
        -------
        encoder : torch.nn.Module
            Maps standardised rows (n_samples, n_features) to (n_samples, n_outputs).
        """
        raise NotImplementedError

    def build_gap_encoder(self, n_features: int, n_indicators: int, n_outputs: int) -> nn.Module:
        """Build a fresh encoder of rows with gaps; by default one that ignores the indicators.

        Parameters
        ----------
        n_features : int
            Width of the rows.
        n_indicators : int
            Number of columns of X. There are as many features, unless the likelihood encodes
            columns in several.
        n_outputs : int
            Number of values per row that parametrise q(z|x).

        Returns
        -------
        encoder : torch.nn.Module
            Maps (n_samples, n_features + n_indicators) to (n_samples, n_outputs): standardised rows
            with zeros for missing values, followed by indicators, which are 1 for columns that are
            missing.
        """
        return _RowsAlone(self.build_encoder(n_features, n_outputs), n_features)

    def build_decoder(self, n_components: int, n_outputs: int, n_features: int) -> nn.Module:
        """Build a fresh decoder.

        Parameters
        ----------
        n_components : int
            Number of latent dimensions.
        n_outputs : int
            Number of values per row that parametrise p(x|z). If it is a multiple of `n_features`,
            the values are grouped by parameter: all means, then all variances.
        n_features : int
            Width of the rows.

        Returns
        -------
        decoder : torch.nn.Module
            Maps latent rows (n_samples, n_components) to (n_samples, n_outputs).
        """
        raise NotImplementedError

    def augment(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return rows with random changes that leave their classes the same; by default `x` itself.

        A classifier learns to predict the same for both.

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_features)
            Rows in the units of X, NaN for missing values.
        generator : torch.Generator or None, default=None
            Source of the draws.

        Returns
        -------
        changed : Tensor of shape (n_samples, n_features)
        """
        return x


class _RowsAlone(nn.Module):
    """An encoder of rows that are followed by indicators, which it ignores."""

    def __init__(self, encoder: nn.Module, n_features: int):
        super().__init__()
        self.encoder = encoder
        self.n_features = n_features

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x[..., : self.n_features])


class Support:
    """Base of the supports: the values that a likelihood accepts.

    A :class:`~skvae.likelihoods.LikelihoodModule` whose `support` is None accepts any real number.

    Attributes
    ----------
    expected : str
        The values in words, for error messages.

    Notes
    -----
    :func:`skvae.export_onnx` calls `accepts` and `nearest` with tensors in place of arrays. Methods
    that both have, such as `clip` and `round`, and operators serve both.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.likelihoods import Support
    >>> class Positive(Support):
    ...     expected = "positive values"
    ...
    ...     def accepts(self, X):
    ...         return X > 0
    >>> Positive().check(np.array([[1.0, -2.0]]), "lognormal")
    Traceback (most recent call last):
        ...
    skvae._validation.OutsideSupportError: 'lognormal' accepts positive values, but column 1 of X
    holds -2 in row 0, counted from 0. ...
    """

    __module__ = "skvae.likelihoods"

    expected: str = "other values"

    def accepts(self, X: np.ndarray) -> np.ndarray:
        """Return which values are in the support.

        A detector gives rows with other values a score below all others.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        accepted : ndarray of bool of shape (n_samples, n_features)
        """
        raise NotImplementedError

    def nearest(self, X: np.ndarray) -> np.ndarray:
        """Return the rows with every value moved to the nearest one in the support.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        X_supported : ndarray of shape (n_samples, n_features)
            By default the rows as they are.
        """
        return X

    def remedy(self, X: np.ndarray) -> str:
        """Return advice for the user whose rows hold other values, for the error message.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        remedy : str
            One or more sentences; by default to choose another likelihood.
        """
        return "Leave out such rows, or choose another likelihood."

    def check(self, X: np.ndarray, likelihood: object) -> None:
        """Raise an error if a value is outside the support.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows in the units of the training data.
        likelihood : object
            The likelihood, to be named in the error message.

        Raises
        ------
        ValueError
            Naming the likelihood, the first such value with its column and row, the values
            expected, and the remedy.
        """
        wrong = np.flatnonzero(self.n_outside(X))
        if len(wrong):
            row = int(wrong[0])
            column = int(self._outside(X[[row]])[0].argmax())
            rows = X if isinstance(X, np.ndarray) else X[[row]]  # of a sparse matrix
            value = str(X[[row]][0, column]).removesuffix(".0")
            expected = f"{likelihood!r} accepts {self.expected}"
            raise OutsideSupportError(expected, value, self.remedy(rows), row, column)

    def n_outside(self, X: np.ndarray) -> np.ndarray:
        """Return how many values of each row are outside the support; NaN is a missing value.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        n_outside : ndarray of int of shape (n_samples,)
        """
        n_rows = max(1, _CHUNK_VALUES // X.shape[1])
        blocks = (X[start : start + n_rows] for start in range(0, len(X), n_rows))
        return np.concatenate([self._outside(rows).sum(axis=1) for rows in blocks])

    def _outside(self, X: np.ndarray) -> np.ndarray:
        return ~self.accepts(X) & ~np.isnan(X)


class Likelihood(Part):
    """Base of the likelihoods: specs that build the distribution p(x|z).

    Attributes
    ----------
    accepts_names : bool
        Whether columns of a data frame may hold text, categories, booleans or dates, which the
        likelihood receives as codes and numbers.
    kinds : dict or None
        Kinds of columns of a data frame by their names, which overrule the rule for kinds.
    real_valued : bool
        Whether all features are real numbers with a density, so that draws of missing values may
        be spread wider and averaged.
    self_masking : bool
        Whether the probability that a value is missing depends on the value, so that the likelihood
        of a row is that of its observed values and of its gaps.
    reads_sparse : bool
        Whether `build` accepts the rows of a large sparse matrix, which are an object with a shape,
        a dtype, `min` and `max` by column, and slices, single columns and lists of rows that are
        arrays. If not, it receives some of the rows as an array, as it does of rows on disk.

    See Also
    --------
    skvae.likelihoods.LikelihoodModule : The base of what a likelihood builds.

    Examples
    --------
    >>> import torch
    >>> from skvae.likelihoods import Likelihood, LikelihoodModule
    >>> class Laplace(Likelihood):
    ...     def build(self, X):
    ...         return LaplaceModule(self, n_outputs=X.shape[1])
    >>> class LaplaceModule(LikelihoodModule):
    ...     def log_prob(self, outputs, x):
    ...         return torch.distributions.Laplace(outputs, 1.0).log_prob(x)
    ...
    ...     def mean(self, outputs):
    ...         return outputs
    ...
    ...     def sample(self, outputs, generator=None):
    ...         uniform = torch.rand(outputs.shape, generator=generator, dtype=outputs.dtype) - 0.5
    ...         return outputs - uniform.sign() * (-2 * uniform.abs()).log1p()
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = VAETransformer(2, likelihood=Laplace(), max_epochs=2, random_state=0).fit(X)
    >>> vae.score_samples(X).shape
    (150,)
    """

    __module__ = "skvae.likelihoods"

    accepts_names: bool = False
    kinds: dict[Any, str] | None = None
    real_valued: bool = False
    self_masking: bool = False
    reads_sparse: bool = False

    def for_table(self, columns: Sequence[Any], X: np.ndarray) -> Likelihood:
        """Return the likelihood for a data frame; by default itself.

        Parameters
        ----------
        columns : sequence
            The columns of the frame, each with a `name` and a `base`: "real", "whole", "level",
            "datetime" or "duration".
        X : ndarray of shape (n_samples, n_features)
            The training rows in numbers, levels as codes from 0.

        Returns
        -------
        likelihood : Likelihood
        """
        return self

    def build(self, X: np.ndarray) -> LikelihoodModule:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Training rows, float32 or float64, from which the distribution may take its scaling.

        Returns
        -------
        likelihood : LikelihoodModule
            The distribution, in the units of X.

        Raises
        ------
        ValueError
            If the likelihood does not accept the values of X.
        """
        raise NotImplementedError

    def build_with_gaps(self, X: np.ndarray, filled: np.ndarray) -> LikelihoodModule:
        """Build the distribution for training rows with missing values; by default from `filled`.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Training rows, with NaN for missing values.
        filled : ndarray of shape (n_samples, n_features)
            The rows with observed values of the same columns in place of missing ones, so that
            every column keeps its distribution.

        Returns
        -------
        likelihood : LikelihoodModule
            The distribution, in the units of X.

        Raises
        ------
        ValueError
            If the likelihood does not accept the values of X.
        """
        return self.build(filled)

    def least_values(self, n_features: int) -> int:
        """Return how many values the module that `build` returns holds at least.

        A model file with fewer is refused before anything is built.

        Parameters
        ----------
        n_features : int
            Number of columns of X.

        Returns
        -------
        n_values : int
            By default 0. The parameters of the likelihood are valid.
        """
        return 0


class LikelihoodModule(nn.Module):
    """Base of what a likelihood builds: the distribution p(x|z), in the units of X.

    Parameters
    ----------
    spec : Likelihood
        The spec that would build it again, every "auto" resolved by the training rows.
    n_outputs : int
        Number of values per row that the decoder is to return.

    Attributes
    ----------
    support : Support or None
        The values that the distribution accepts; None accepts any real number.
    scaling : {"auto", "feature", "global", "none"}
        How the features are measured, as in :class:`~skvae.likelihoods.Gaussian`; scores that
        measure features follow it.
    heavy_tailed : bool
        Whether large deviations cost little, as beyond the bins of
        :class:`~skvae.likelihoods.Histogram`. Training then begins with a warm-up of the KL term,
        without which such likelihoods often leave the latent dimensions unused.
    has_atoms : bool
        Whether a single real value may have a probability of its own, so that draws of a
        continuous distribution cannot stand in for training rows.
    n_inputs : int or None
        Width of what `standardize` returns; None is the number of features.
    n_measured : int or None
        Width of what `measured` returns. None if scores are to measure the features themselves, as
        :class:`~skvae.likelihoods.Gaussian` does for its `scaling`.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skvae.likelihoods import Bernoulli
    >>> module = Bernoulli().build(np.array([[0.0, 1.0], [1.0, 0.0]]))
    >>> module.n_outputs, module.spec
    (2, Bernoulli())
    """

    __module__ = "skvae.likelihoods"

    support: Support | None = None
    scaling: str = "auto"
    heavy_tailed: bool = False
    has_atoms: bool = False
    n_inputs: int | None = None
    n_measured: int | None = None

    def __init__(self, spec: Likelihood, n_outputs: int):
        super().__init__()
        self.spec = spec
        self.n_outputs = n_outputs

    def standardize(self, x: Tensor) -> Tensor:
        """Return the rows as the encoder takes them; by default as they are.

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_features)
            Rows in the units of X.

        Returns
        -------
        standardized : Tensor of shape (n_samples, n_inputs)
        """
        return x

    def blank(self, inputs: Tensor, observed: Tensor) -> Tensor:
        """Return the encoder's inputs with zeros for those that stem from missing values.

        By default every input stems from the feature at its place, and likelihoods with another
        number of inputs leave them as they are.

        Parameters
        ----------
        inputs : Tensor of shape (n_samples, n_inputs)
            What `standardize` returned for rows with ones for missing values.
        observed : Tensor of bool of shape (n_samples, n_features)
            Which values are not missing.

        Returns
        -------
        blanked : Tensor of shape (n_samples, n_inputs)
        """
        return inputs if self.n_inputs else torch.where(observed, inputs, 0.0)

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Return log p(x_j|z) of every feature, in nats, in the units of X.

        Parameters
        ----------
        outputs : Tensor of shape (..., n_outputs)
            Outputs of the decoder.
        x : Tensor of shape (..., n_features)
            Rows in the units of X; the leading dimensions broadcast.

        Returns
        -------
        log_prob : Tensor of shape (..., n_features)
            Their sum over the features is log p(x|z).
        """
        raise NotImplementedError

    def cdf(self, outputs: Tensor) -> Callable[[Tensor], Tensor] | None:
        """Return the cumulative distribution function of every feature, if it is known.

        :func:`skvae.compress` codes values by it. Without one it takes the masses of all values
        between the smallest and the largest from `log_prob`, if there are few of them.

        Parameters
        ----------
        outputs : Tensor of shape (n_samples, n_outputs)
            Outputs of the decoder.

        Returns
        -------
        cdf : callable or None
            ``cdf(x)`` returns P(x_j <= x|z), for x and results of shape (n_samples, n_features).
            None, the default, if there is no such function.
        """
        return None

    def log_missing(self, outputs: Tensor) -> Tensor:
        """Return the log-probability that a value is missing, given z; by default zero.

        Parameters
        ----------
        outputs : Tensor of shape (..., n_outputs)
            Outputs of the decoder.

        Returns
        -------
        log_missing : Tensor of shape (..., n_features), or one that broadcasts to it
            Takes the place of log p(x_j|z) of missing values.
        """
        return outputs.new_zeros(())

    def mean(self, outputs: Tensor) -> Tensor:
        """Return E[x|z] in the units of X, (..., n_features).

        Parameters
        ----------
        outputs : Tensor of shape (..., n_outputs)
            Outputs of the decoder.
        """
        raise NotImplementedError

    def mean_of_draws(self, outputs: Tensor, weights: Tensor) -> Tensor:
        """Return what missing values are filled with, (n_samples, n_features).

        By default it is the mean of a mixture of distributions.

        Parameters
        ----------
        outputs : Tensor of shape (n_samples, n_draws, n_outputs)
            Outputs of the decoder for several latent vectors per row.
        weights : Tensor of shape (n_samples, n_draws)
            Their weights, which sum to one for each row.
        """
        means = self.mean(outputs)
        return (weights.to(means)[..., None] * means).sum(1)

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw from p(x|z) in the units of X, (..., n_features).

        Parameters
        ----------
        outputs : Tensor of shape (..., n_outputs)
            Outputs of the decoder.
        generator : torch.Generator or None, default=None
            Source of the draws.
        """
        raise NotImplementedError

    def sample_missing(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw values that are missing, (..., n_features); by default from p(x|z).

        Parameters
        ----------
        outputs : Tensor of shape (..., n_outputs)
            Outputs of the decoder.
        generator : torch.Generator or None, default=None
            Source of the draws.
        """
        return self.sample(outputs, generator)

    def measured(self, x: Tensor) -> Tensor:
        """Return the rows in numbers whose distances compare rows; by default as the encoder's.

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_features)
            Rows in the units of X.

        Returns
        -------
        measured : Tensor of shape (n_samples, n_measured)
        """
        return self.standardize(x)

    def residuals(self, x: Tensor, outputs: Tensor) -> Tensor:
        """Return how far every value is from its distribution; by default from its mean.

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_features)
            Rows in the units of X.
        outputs : Tensor of shape (n_samples, n_outputs)
            Outputs of the decoder.

        Returns
        -------
        residuals : Tensor of shape (n_samples, n_features)
        """
        return self.standardize(x) - self.standardize(self.mean(outputs))

    def redraw(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the rows that a training step sees in place of `x`; by default `x` itself.

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_features)
            Rows in the units of X.
        generator : torch.Generator or None, default=None
            Source of the draws.
        """
        return x


class Prior(Part):
    """Base of the priors: specs that build the distribution p(z).

    See Also
    --------
    skvae.priors.PriorModule : The base of what a prior builds.

    Examples
    --------
    >>> import torch
    >>> from skvae.priors import Prior, PriorModule
    >>> class Cauchy(Prior):
    ...     def build(self, n_components, examples):
    ...         return CauchyModule(n_components)
    >>> class CauchyModule(PriorModule):
    ...     def log_prob(self, z):
    ...         return torch.distributions.Cauchy(0.0, 1.0).log_prob(z).sum(-1)
    ...
    ...     def sample(self, n_samples, generator=None):
    ...         shape = n_samples, self.n_components
    ...         return torch.tan(torch.pi * (torch.rand(shape, generator=generator) - 0.5))
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> VAETransformer(2, prior=Cauchy(), max_epochs=2, random_state=0).fit(X).sample(3).shape
    (3, 4)
    """

    __module__ = "skvae.priors"

    @property
    def keeps_examples(self) -> bool:
        """Whether examples become weights; if not, models are rebuilt from files without them."""
        return True

    def build(self, n_components: int, examples: Callable[[int], Tensor]) -> PriorModule:
        """Build the distribution.

        Parameters
        ----------
        n_components : int
            Number of latent dimensions.
        examples : callable
            ``examples(n)`` returns n training rows drawn at random, as the encoder takes them,
            for a prior that starts from rows. In a model from a file they are zeros or, without
            `keeps_examples`, None.

        Returns
        -------
        prior : PriorModule
            The distribution of latent vectors.
        """
        raise NotImplementedError


class PriorModule(nn.Module):
    """Base of what a prior builds: the distribution p(z).

    Parameters
    ----------
    n_components : int
        Number of latent dimensions.

    Examples
    --------
    >>> from skvae.priors import StandardNormal
    >>> StandardNormal().build(2).n_components
    2
    """

    __module__ = "skvae.priors"

    def __init__(self, n_components: int):
        super().__init__()
        self.n_components = n_components

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, (...,).

        Parameters
        ----------
        z : Tensor of shape (..., n_components)
            Latent vectors.
        """
        raise NotImplementedError

    @classmethod
    def log_probs(cls, priors: Sequence[Any], z: Tensor) -> Tensor:
        """Return log p(z) under several priors of this class in nats, (..., n_priors).

        By default one after another.

        Parameters
        ----------
        priors : sequence of PriorModule
            Built by the same spec.
        z : Tensor of shape (..., n_components)
            Latent vectors.
        """
        return torch.stack([prior.log_prob(z) for prior in priors], -1)

    def sample(self, n_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw latent vectors, (n_samples, n_components).

        Parameters
        ----------
        n_samples : int
            Number of draws.
        generator : torch.Generator or None, default=None
            Source of the draws.
        """
        raise NotImplementedError

    def kl(self, mean: Tensor, log_var: Tensor) -> Tensor | None:
        """Return the KL divergence of diagonal Gaussians from p(z), if it has a closed form.

        Parameters
        ----------
        mean, log_var : Tensor of shape (..., n_components)
            Means and log variances of the Gaussians.

        Returns
        -------
        kl : Tensor of shape (..., n_components) or None
            In nats, one term per latent dimension. None, the default, leaves it to be estimated at
            draws.
        """
        return None

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of every latent dimension, by default those of draws.

        They describe the posterior of a row without observed values.

        Returns
        -------
        mean, log_var : Tensor of shape (n_components,)
        """
        device = next((tensor.device for tensor in self.state_dict().values()), "cpu")
        generator = torch.Generator(device).manual_seed(0)
        with torch.no_grad():
            draws = self.sample(_DRAWS_OF_MOMENTS, generator).double()
        return draws.mean(0), draws.var(0).log()

    def normals(self) -> tuple[Tensor, Tensor, Tensor] | None:
        """Return the prior as a mixture of normal distributions, if it is one.

        :func:`skvae.compress` codes latent vectors by it, and needs one.

        Returns
        -------
        normals : tuple of (log_weights, means, spread) or None
            Log weights (n_mixtures,), means (n_mixtures, n_components) and lower triangular factors
            L of the covariances L L^T, (n_mixtures, n_components, n_components). None, the
            default, if the prior is no such mixture.
        """
        return None

    def follow(self, encode: Encode) -> None:
        """Take up the present weights of the encoder; by default a prior does not depend on them.

        Called before `log_prob` and `sample` in training, and once when training ends.

        Parameters
        ----------
        encode : callable
            Takes standardised rows and returns means and log variances of q(z|x).
        """

    def conclude(self, embed: Callable[[], np.ndarray]) -> None:
        """Learn what is learned after training; by default nothing.

        Parameters
        ----------
        embed : callable
            ``embed()`` returns a draw from q(z|x) for every training row,
            (n_samples, n_components).
        """


class Objective(Part):
    """Base of the objectives: what a training step minimises.

    Examples
    --------
    >>> from skvae.objectives import Objective
    >>> class Autoencoder(Objective):
    ...     def __call__(self, module, x, *, epoch=None, generator=None):
    ...         mean, log_var = module.encode(x)
    ...         reconstruction = module.log_conditional(x, mean[:, None]).mean()
    ...         kl = module.kl(mean, log_var, mean).sum(-1).mean()
    ...         return {"loss": -reconstruction, "reconstruction": reconstruction, "kl": kl}
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = VAETransformer(2, objective=Autoencoder(), max_epochs=2, random_state=0).fit(X)
    >>> sorted(vae.history_)
    ['duration', 'train_kl', 'train_loss', 'train_reconstruction']
    """

    __module__ = "skvae.objectives"

    def __call__(
        self,
        module: Any,
        x: Tensor,
        *,
        epoch: float | None = None,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Evaluate the objective on a batch.

        Parameters
        ----------
        module : torch.nn.Module
            The model: `encode`, `decode`, `draw_posterior`, `log_conditional`, `log_posterior`,
            `log_prior`, `kl`, `sample_prior`, `likelihood`, `prior`, `n_rows` and `warmup_epochs`.
        x : Tensor of shape (n_samples, n_features)
            Rows in the units of X, NaN for missing values.
        epoch : float or None, default=None
            Epochs already trained, counted in fractions; None evaluates the finished objective.
        generator : torch.Generator or None, default=None
            Source of the draws.

        Returns
        -------
        record : dict of scalar Tensors
            "loss", to be minimised, and any other values worth a curve in `history_`; by
            convention "reconstruction" and "kl", in nats per row.
        """
        raise NotImplementedError


class Score(Part):
    """Base of the scores, by which a detector ranks rows.

    A score holds parameters. It learns a dictionary of tensors from the training rows, which it is
    given whenever it scores, so that one score may serve many models. By default a
    score learns nothing and decodes each row once.

    Attributes
    ----------
    unit : str
        Unit of the score, such as "nats"; empty if it has none.
    accepts_gaps : bool
        Whether rows come with NaN for missing values. By default they come with the values that the
        model expects instead.
    reads_sparse : bool
        Whether `build` accepts the rows of a large sparse matrix, see
        :class:`~skvae.likelihoods.Likelihood`. If not, it receives some of them as an array.

    See Also
    --------
    skvae.VAEAnomalyDetector : Takes a score as `anomaly_score`.

    Examples
    --------
    >>> from skvae.scores import Score
    >>> class Centrality(Score):
    ...     def __call__(self, module, x, known, n_samples):
    ...         mean, _ = module.encode(x)
    ...         return -mean.square().sum(1)
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEAnomalyDetector
    >>> X, _ = load_iris(return_X_y=True)
    >>> detector = VAEAnomalyDetector(2, anomaly_score=Centrality(), max_epochs=2, random_state=0)
    >>> detector.fit(X).score_samples(X).shape
    (150,)
    """

    __module__ = "skvae.scores"

    unit: str = ""
    accepts_gaps: bool = False
    reads_sparse: bool = False

    def build(self, module: Any, X: np.ndarray, n_samples: int) -> dict[str, Tensor]:
        """Learn from the training rows; by default nothing.

        Parameters
        ----------
        module : torch.nn.Module
            The trained model.
        X : ndarray of shape (n_samples, n_features)
            Training rows.
        n_samples : int
            The detector's `n_importance_samples`.

        Returns
        -------
        known : dict of str to torch.Tensor
            Kept in double precision, and saved with the model.
        """
        return {}

    def __call__(self, module: Any, x: Tensor, known: dict[str, Tensor], n_samples: int) -> Tensor:
        """Score a chunk of rows, each independently of the others.

        Parameters
        ----------
        module : torch.nn.Module
            The trained model, in the precision of the rows.
        x : torch.Tensor of shape (n_samples, n_features)
            Rows in the units of the training data.
        known : dict of str to torch.Tensor
            The tensors that `build` returned, in double precision.
        n_samples : int
            The detector's `n_importance_samples`.

        Returns
        -------
        scores : torch.Tensor of shape (n_samples,)
            Higher is more normal.
        """
        raise NotImplementedError

    def shapes(self, sizes: Any) -> dict[str, tuple[int | str, ...]]:
        """Return the shapes of what `build` returns, to check a model loaded from a file.

        Parameters
        ----------
        sizes : object
            Has the sizes of the model: `n_features`, `n_components` and `n_measured`, the width of
            the rows between which distances are measured.

        Returns
        -------
        shapes : dict of str to tuple
            Shape of each tensor by its name; a string stands for a size that the rows decided.
        """
        return {}

    def n_draws(self, n_samples: int) -> int:
        """Return how many latent vectors per row pass the decoder at a time, which costs memory.

        Parameters
        ----------
        n_samples : int
            The detector's `n_importance_samples`.

        Returns
        -------
        n_draws : int
            1 for a score that decodes each row once.
        """
        return 1
