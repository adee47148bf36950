"""The imputer: missing values filled by a VAE, as expectations or as draws."""

# Over 500 lines: one estimator whole, of which about half are docstrings.

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin

from skvae._base import BaseVAE, LikelihoodScoreMixin, gaps_of_rows
from skvae._model import calibration, imputation
from skvae._model.module import VAEModule
from skvae._parts import Likelihood
from skvae._random import draw_seed
from skvae._rows.arrays import is_frame
from skvae._rows.batches import TrainingRows, n_batches
from skvae._rows.frames import filled_frame, with_gaps
from skvae._specs import OF_GAPS, OF_SELF_MASKING, OF_TABLES
from skvae._training.budget import EARLY_STOPPING_CEILING
from skvae._training.callbacks import FitCallback, is_a
from skvae._training.net import Settings
from skvae._validation import (
    Interval,
    MissingValues,
    StrOptions,
    _check_feature_names_in,
    _fit_context,
    check_count,
    check_is_fitted,
)
from skvae.likelihoods import Gaussian, SelfMaskingGaussian

_MOST_COMPONENTS = 10
_FEWEST_CANDIDATES = 200  # latent vectors per row and model, of which draws are resampled
_STEPS = (200, 5000)  # the fewest and the most


class VAEImputer(LikelihoodScoreMixin, TransformerMixin, BaseVAE):
    """Imputation of missing values by a variational autoencoder.

    The model is trained on the observed values, all others are left out of its likelihood [5]_.
    Missing values are then drawn from their distribution given the observed values of the row, or
    replaced by its expectation.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of latent dimensions. "auto" is 10, or the number of columns less one if that is
        smaller, but at least 1.
    network : {"auto", "mlp", "conv", "resnet"} or Network, default="auto"
        Encoder and decoder: a short name, or a configured object of :mod:`skvae.networks`. "auto"
        is ``MLP(activation="silu", residual=True)``.
    likelihood : str or Likelihood, default="auto"
        The distribution p(x|z): a short name, or a configured object of :mod:`skvae.likelihoods`.
        "auto" is ``Gaussian(noise_floor=0.02)``, or "mixed" for a data frame with text, categories,
        booleans or dates. "gaussian" and "student_t" accept any real data,
        "histogram" too, with any distribution, "bernoulli" and "continuous_bernoulli" values in
        [0, 1], "poisson" and "negative_binomial" counts, "categorical" and "discretized_logistic"
        levels 0, 1, 2, ...; "mixed" chooses a distribution for each column, see
        :class:`~skvae.likelihoods.Mixed`.
    prior : {"auto", "normal", "mixture", "vamp", "flow", "ex_post"} or Prior, default="auto"
        The distribution p(z): a short name, or a configured object of :mod:`skvae.priors`.
        "normal" is N(0, I); the others are learned. "auto" is ``MixturePrior(n_mixtures=20)``.
    objective : {"auto", "elbo", "iwae", "beta_tcvae", "info_vae"} or Objective, default="auto"
        The training objective: a short name, or a configured object of :mod:`skvae.objectives`.
        "auto" is ``IWAE(n_samples=8, gradient="doubly_reparameterized")``.
    max_epochs : int or "auto", default="auto"
        Passes over the training rows. "auto" fits them to the number of rows n: as many as
        ``min(90 sqrt(n), 3 n)`` optimiser steps need, but at least 200 and at most 5,000; at
        most ten times that with `early_stopping`.
    batch_size : int or "auto", default="auto"
        Rows per optimiser step. "auto" is 64, or 128 from 10,000 rows up; twice as many for a
        data frame with text, categories, booleans or dates of at least 2,000 rows.
    learning_rate : float, default=1.5e-3
        Mean learning rate of `fit`, which runs through one cycle [3]_: a warm-up to twice this over
        the first quarter, then half a cosine down to zero. The rate is constant in `partial_fit`
        and with `early_stopping`, whose end is not known beforehand. A
        :class:`skorch.callbacks.LRScheduler` among `callbacks` replaces the cycle.
    optimizer : {"adam", "sgd"} or subclass of torch.optim.Optimizer, default="adam"
        "adam" is Adam with decoupled weight decay [4]_. Gradients with a norm above 1e8, which no
        healthy fit reaches, are scaled down to that norm; for a lower limit see
        :class:`skorch.callbacks.GradientNormClipping`.
    weight_decay : float or "auto", default="auto"
        Decay of the networks' weights, biases excepted. "auto" is 0, but keeps
        small tables from being overfitted in another way: if the number of rows n is small for
        ``n_features * n_components``, part of every training batch are draws of a factor analysis.
        The notes of :class:`~skvae.likelihoods.Gaussian` state the rule.
    early_stopping : bool, default=False
        Whether to set `validation_fraction` of the rows aside, to stop when the validation loss has
        not improved for `n_iter_no_change` epochs, and to return to the best epoch.
    validation_fraction : float, default=0.1
        Share of the rows set aside for `early_stopping`, in (0, 1).
    n_iter_no_change : int, default=10
        Number of epochs without improvement after which `early_stopping` ends the fit.
    n_importance_samples : int, default=32
        Number of latent vectors per row of which imputed values, and the importance-weighted bound
        behind a log-likelihood [2]_, are the weighted means, for each model. The time of
        `transform` is proportional to it. With fewer than 16, the bound is averaged over several
        sets of draws, 16 in all. Draws of missing values are resampled from at least 200.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of matrix products during training. "auto" is bfloat16 if the encoder sees at
        least 256 values per row (features, or the levels and bins of a table's columns) and the
        processor computes it natively, else float32. Losses are always float32; scores and
        embeddings have the precision of the rows, float32 or float64.
    device : str or torch.device, default="auto"
        "auto" is a CUDA GPU if there is one, else the CPU.
    callbacks : list of skorch callbacks or None, default=None
        Called during the training of each model, see :mod:`skorch.callbacks`;
        :class:`~skvae.Autosave` writes checkpoints of the first model, from which an interrupted
        fit continues. A callback that monitors a validation
        loss, such as skorch's `EarlyStopping`, raises a `ValueError` unless `early_stopping` sets
        rows aside.
    warm_start : bool, default=False
        If True, `fit` continues the previous fit up to `max_epochs` in total, and warns if none
        remain. Network, likelihood, prior, objective, optimizer, weight decay, precision and device
        stay those of the first fit.
    verbose : int, default=0
        1 shows epoch, loss, KL and time on stderr; 0 is silent.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the order of the rows, and all draws. The global generators are
        neither read nor changed. None takes fresh entropy from the operating system.

    n_estimators : int, default=4
        Number of models, trained from different initial weights. The imputer is their mixture:
        averages over several models have smaller errors than those of each of them.
    missing_values : int, float, str, None or np.nan, default=np.nan
        What stands for missing values in X, besides NaN, None, pandas' NA and NaT.
    mechanism : {"mar", "self_masking"}, default="mar"
        What the model assumes of the gaps. "mar" (missing at random): whether a value is missing
        may depend on observed values, but not on itself. "self_masking": in columns with missing
        values in training, large values are missing more often than small ones, or the reverse
        [6]_. The likelihood is then :class:`~skvae.likelihoods.SelfMaskingGaussian`, a `Gaussian`
        is replaced by it, and others are not possible. The other parts that are "auto" are
        ``MLP(hidden_layer_sizes=(64, 64), activation="silu", linear_decoder=True)``, "normal" and
        ``IWAE(n_samples=20)``.
    hidden_fraction : float or None, default=0.05
        Share of the observed values that `fit` hides from the first model. They are compared with
        its draws: if these vary too little, as after training on few rows, those of `impute` are
        widened, by less the more the models differ. Values are more likely to be hidden in rows
        like those in which their column has gaps. None hides no value and leaves draws as they are.
        So do likelihoods whose values are not continuous, as in data frames with text, and
        ``mechanism="self_masking"``.
    sample_posterior : bool, default=False
        Whether `transform` fills gaps with draws, as :meth:`impute` does, instead of expectations.
        Standard errors of what is computed from one filled table are too small either way; see
        :func:`skvae.metrics.pool`.
    add_indicator : bool, default=False
        Whether `transform` appends an indicator, 1 for missing, of each column that had gaps in
        `fit`.
    keep_empty_features : bool, default=False
        Whether `transform` keeps columns without any observed value in `fit`: as zeros or, in data
        frames, still missing.

    Attributes
    ----------
    n_components_ : int
        Number of latent dimensions.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X has names that are all strings.
    n_iter_ : int
        Number of epochs run.
    n_steps_ : int
        Number of optimiser steps run.
    history_ : dict of str to ndarray of shape (`n_iter_`,)
        `train_loss`, `train_reconstruction` and `train_kl` in nats per row, the same with `valid_`
        if `early_stopping` is True, and `duration` in seconds.
    module_ : torch.nn.Module
        The trained model, in the units of X.
    device_ : str
        The device of the model.
    precision_ : {"float32", "bfloat16"}
        Precision of matrix products during training.

    See Also
    --------
    sklearn.impute.IterativeImputer : A regression for each column.
    skvae.metrics.pool : Combines estimates from several filled tables.

    Notes
    -----
    Gaps in columns without any in `fit` are filled too, though the encoder has not seen such rows;
    they are taken to be missing at random. With ``mechanism="self_masking"``, `score_samples` is
    the log-likelihood of the observed values and of where values are missing, and what was never
    observed is extrapolated: on which side values are missing, and how far they are from the
    observed ones, follows from the columns that depend on them and from the shape of the column.
    Without either, it remains unknown.

    References
    ----------
    .. [1] Kingma & Welling (2014), "Auto-Encoding Variational Bayes".
    .. [2] Burda et al. (2016), "Importance Weighted Autoencoders", equation 8.
    .. [3] Smith & Topin (2019), "Super-Convergence".
    .. [4] Loshchilov & Hutter (2019), "Decoupled Weight Decay Regularization".
    .. [5] Mattei & Frellsen (2019), "MIWAE: Deep Generative Modelling and Imputation of Incomplete
       Data Sets".
    .. [6] Ipsen, Mattei & Frellsen (2021), "not-MIWAE: Deep Generative Modelling with Missing not
       at Random Data".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEImputer
    >>> X, _ = load_iris(return_X_y=True)
    >>> X[::3, 2] = np.nan
    >>> imputer = VAEImputer(max_epochs=20, random_state=0).fit(X)
    >>> bool(np.isnan(imputer.transform(X)).any())
    False
    >>> imputer.impute(X, n_draws=5, random_state=0).shape
    (5, 150, 4)
    """

    _parameter_constraints = {
        **BaseVAE._parameter_constraints,
        "n_components": [*BaseVAE._parameter_constraints["n_components"], StrOptions({"auto"})],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "missing_values": [MissingValues()],
        "mechanism": [StrOptions({"mar", "self_masking"})],
        "hidden_fraction": [None, Interval(Real, 0, 0.5, closed="neither")],
        "sample_posterior": ["boolean"],
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
    }

    _others: Sequence[VAEImputer] = ()
    _widths: np.ndarray | None = None  # factors of the deviations of draws from their mean
    _had_gaps: np.ndarray | None = None  # which columns had missing and observed values in training
    _had_values: np.ndarray | None = None

    def __init__(
        self,
        n_components="auto",
        *,
        network="auto",
        likelihood="auto",
        prior="auto",
        objective="auto",
        max_epochs="auto",
        batch_size="auto",
        learning_rate=1.5e-3,
        optimizer="adam",
        weight_decay="auto",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        n_importance_samples=32,
        precision="auto",
        device="auto",
        callbacks=None,
        warm_start=False,
        verbose=0,
        random_state=None,
        n_estimators=4,
        missing_values=np.nan,
        mechanism="mar",
        hidden_fraction=0.05,
        sample_posterior=False,
        add_indicator=False,
        keep_empty_features=False,
    ):
        super().__init__(
            n_components,
            network=network,
            likelihood=likelihood,
            prior=prior,
            objective=objective,
            max_epochs=max_epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            optimizer=optimizer,
            weight_decay=weight_decay,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            n_importance_samples=n_importance_samples,
            precision=precision,
            device=device,
            callbacks=callbacks,
            warm_start=warm_start,
            verbose=verbose,
            random_state=random_state,
        )
        self.n_estimators = n_estimators
        self.missing_values = missing_values
        self.mechanism = mechanism
        self.hidden_fraction = hidden_fraction
        self.sample_posterior = sample_posterior
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the model to the observed values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, at least two, with missing values, in any units that the likelihood
            accepts.
        y : Ignored
            For scikit-learn's pipelines.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each row, which counts as so many copies of it; a row of weight zero is
            left out. None is one for every row.

        Returns
        -------
        self : object
            The fitted imputer.

        Raises
        ------
        ValueError
            If X is not a two-dimensional array that the likelihood and the network accept, if it
            has infinite or no observed values, or if weights are negative, not finite, not one per
            row, or leave fewer than two rows.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        with self._unchanged_on_failure():
            goes_on = self._goes_on()
            rows = self._check_training_rows(X, sample_weight)
            hidden = self._hidden(rows.X)
            self._fit_rows(replace(rows, X=np.where(hidden, np.nan, rows.X)))
            self._gap_patterns = gaps_of_rows(rows.X)
            self._note_gaps(rows.X)
            kept = self._others if goes_on else ()
            self._train_others(kept, lambda other: other.fit(X, sample_weight=sample_weight))
            self._widths = self._calibrated(rows.X, hidden)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train for one pass over these rows, from where the last call or fit ended.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            A chunk of training rows. Only if the first one has gaps does the encoder see where
            gaps are.
        y : Ignored
            For scikit-learn's pipelines.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each row, which counts as so many copies of it; a row of weight zero is
            left out. None is one for every row.

        Returns
        -------
        self : object
            The imputer, trained one epoch further.

        Raises
        ------
        ValueError
            As in `fit`.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        with self._unchanged_on_failure():
            rows = self._check_chunk(X, sample_weight)
            before = self._had_gaps, self._had_values
            self._fit_pass(rows)
            self._note_gaps(rows.X, *before)
            self._train_others(
                self._others, lambda other: other.partial_fit(X, sample_weight=sample_weight)
            )
        return self

    def transform(self, X):
        """Fill the missing values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        X_filled : ndarray or data frame of shape (n_samples, n_features_out)
            Observed values are as they were. Missing ones are expectations given the observed
            values, of names the most probable one; with `sample_posterior`, a draw. If X and the
            training rows are data frames, a frame of the library of X, with its types.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        rows = self._check_rows(X)
        if self.sample_posterior:
            seed = draw_seed(self.random_state)
            return self._drawn(X, rows, 1, seed)[0]
        filled = imputation.expected(self._modules, rows, self.n_importance_samples)
        return self._output(X, rows, filled)

    def impute(self, X, n_draws, *, random_state=None):
        """Return several copies of X, filled with draws given the observed values.

        What is computed from each copy is combined by :func:`skvae.metrics.pool` (multiple
        imputation).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.
        n_draws : int
            Number of copies.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws; None gives different draws at every call. With the same seed, the
            draws of a row do not depend on the other rows, but equal rows have different draws.
            Only levels beyond the 99 most frequent ones of a column, which the model does not tell
            apart, are drawn for all rows together.

        Returns
        -------
        X_filled : ndarray of shape (n_draws, n_samples, n_features_out), or list of data frames
            Copies of X, as `transform` returns them. Draws in data frames have the decimals and lie
            within the range of the training rows, like those of `sample`.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `n_draws` is not a positive integer.
        """
        rows = self._check_rows(X)
        check_count("n_draws", n_draws)
        outputs = self._drawn(X, rows, n_draws, draw_seed(random_state))
        return np.stack(outputs) if isinstance(outputs[0], np.ndarray) else outputs

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X, if they had none in `fit`.

        Returns
        -------
        feature_names_out : ndarray of str
            Names of the columns, then ``missingindicator_`` and the name for each indicator.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        indicators = [f"missingindicator_{name}" for name in names[self._indicated]]
        return np.array([*names[self._kept], *indicators], dtype=object)

    def _hidden(self, X: np.ndarray) -> np.ndarray:
        """Return which observed values the first model is not trained on."""
        likelihood = self._resolve("likelihood")
        hides = likelihood.real_valued and not likelihood.self_masking
        if self.hidden_fraction is None or not hides:
            return np.zeros(X.shape, dtype=bool)
        return calibration.hidden_cells(X, self.hidden_fraction, draw_seed(self.random_state))

    def _calibrated(self, X: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """Return the factors of deviations of draws with which the hidden values agree."""
        seed = draw_seed(self.random_state)
        return calibration.widths(self._modules, X, hidden, self._n_candidates, seed)

    @property
    def _n_candidates(self) -> int:
        return max(_FEWEST_CANDIDATES, self.n_importance_samples)

    @property
    def _models(self) -> list[VAEImputer]:
        return [self, *self._others]

    @property
    def _modules(self) -> list[VAEModule]:
        return [model.module_ for model in self._models]

    def _resolve(self, role: str) -> Any:
        part = super()._resolve(role)
        masks_itself = role == "likelihood" and self.mechanism == "self_masking"
        return _self_masking(part) if masks_itself else part

    def _autos(self) -> dict[str, Any]:
        if self.mechanism == "self_masking" and not self._is_table:
            return OF_SELF_MASKING
        return {**OF_GAPS, "likelihood": OF_TABLES["likelihood"]} if self._is_table else OF_GAPS

    def _settings(self, rows: TrainingRows, seed: int) -> Settings:
        settings = super()._settings(rows, seed)
        if self.weight_decay == "auto":
            settings = replace(settings, weight_decay=0.0)
        if self.max_epochs == "auto":
            n_steps = np.clip(min(90 * math.sqrt(rows.n_rows), 3 * rows.n_rows), *_STEPS)
            n_epochs = math.ceil(n_steps / n_batches(rows.n_rows, settings.batch_size))
            n_epochs *= EARLY_STOPPING_CEILING if self.early_stopping else 1
            settings = replace(settings, max_epochs=n_epochs)
        return settings

    def _latent_size(self, n_features: int) -> int:
        if self.n_components == "auto":
            return int(np.clip(n_features - 1, 1, _MOST_COMPONENTS))
        return self.n_components

    def _train_others(
        self, kept: Sequence[VAEImputer], train: Callable[[VAEImputer], VAEImputer]
    ) -> None:
        """Train the models beside the first: copies of those kept, then new ones.

        An interruption ends the training of all.
        """
        others, last = list(kept), self
        for position, other in enumerate(self._other_models(kept)):
            if last._net.interrupted_:
                break
            last = train(other)
            others[position : position + 1] = [last]
        self._others = others

    def _other_models(self, kept: Sequence[VAEImputer]) -> list[VAEImputer]:
        """Return imputers of one model each, beside the first, to be trained."""
        seed = draw_seed(self.random_state)
        others = [copy.copy(other) for other in kept]
        others += [VAEImputer() for _ in range(len(others), self.n_estimators - 1)]
        callbacks = [one for one in self.callbacks or () if not is_a(one, FitCallback)]
        own = {"n_estimators": 1, "hidden_fraction": None, "callbacks": callbacks, "verbose": 0}
        return [
            other.set_params(
                **self.get_params(deep=False) | own | {"random_state": (seed + number) % 2**31}
            )
            for number, other in enumerate(others, start=1)
        ]

    @property
    def _kept(self) -> np.ndarray:
        """Positions of the columns that `transform` returns."""
        return np.flatnonzero(self._had_values | self.keep_empty_features)

    @property
    def _indicated(self) -> np.ndarray:
        """Positions of the columns with indicators."""
        return np.flatnonzero(self._had_gaps & self.add_indicator)

    def _array_of(self, X, *, reset: bool, min_samples: int = 1) -> np.ndarray:
        X = with_gaps(X, self.missing_values)
        return super()._array_of(X, reset=reset, min_samples=min_samples)

    def _note_gaps(self, X: np.ndarray, had_gaps: Any = None, had_values: Any = None) -> None:
        """Note which columns have gaps and values, in these rows or in those before."""
        missing = np.isnan(X)
        self._had_gaps, self._had_values = missing.any(axis=0), ~missing.all(axis=0)
        if self._widths is None:
            self._widths = np.ones(X.shape[1])
        if had_gaps is not None:
            self._had_gaps |= had_gaps
            self._had_values |= had_values

    def _drawn(self, X: Any, rows: np.ndarray, n_draws: int, seed: int) -> list[Any]:
        """Return copies of X with draws in the gaps."""
        copies = imputation.drawn(
            self._modules,
            rows,
            n_draws,
            self._n_candidates,
            seed,
            widths=None if (self._widths == 1).all() else self._widths,
        )
        rng = np.random.default_rng(seed)  # of levels too rare to be told apart by the model
        return [self._output(X, rows, filled, rng) for filled in copies]

    def _output(
        self, X: Any, rows: np.ndarray, filled: np.ndarray, rng: np.random.Generator | None = None
    ) -> Any:
        """Return filled rows in the form of X, without empty columns and with indicators.

        Draws in data frames have the decimals and the range of the training rows, if there is a
        generator, as those of `sample`.
        """
        missing, is_empty = np.isnan(rows), ~self._had_values
        if self._schema is not None and is_frame(X):
            decoded, gaps = self._schema.decode(filled, rng), missing & self._had_values
            return filled_frame(X, decoded, gaps, self._kept, self._indicated)
        filled = np.where(missing & is_empty, 0.0, filled)
        return np.hstack([filled[:, self._kept], missing[:, self._indicated].astype(filled.dtype)])

    def _get_state(self) -> dict[str, Any]:
        return {
            **super()._get_state(),
            "had_gaps": self._had_gaps,
            "had_values": self._had_values,
            "widths": self._widths,
            "others": [BaseVAE._get_state(other) for other in self._others],
        }

    def _set_state(self, state: dict[str, Any], device: str) -> None:
        super()._set_state(state, device)
        self._had_gaps = _checked_flags("had_gaps", state, self.n_features_in_)
        self._had_values = _checked_flags("had_values", state, self.n_features_in_)
        self._others = [VAEImputer(device=self.device) for _ in state["others"]]
        for other, own in zip(self._others, state["others"], strict=True):
            BaseVAE._set_state(other, own, device)
            other._had_gaps, other._had_values = self._had_gaps, self._had_values
            if other.n_features_in_ != self.n_features_in_:
                raise ValueError(
                    f"one of its models has {other.n_features_in_} features, but the first has "
                    f"{self.n_features_in_}"
                )
        self._widths = _checked_widths(state["widths"], self.n_features_in_)


def _self_masking(likelihood: Likelihood) -> Likelihood:
    """Return the self-masking distribution in place of a Gaussian one.

    Raises
    ------
    ValueError
        If the likelihood is another one.
    """
    if isinstance(likelihood, SelfMaskingGaussian):
        return likelihood
    if isinstance(likelihood, Gaussian):
        return SelfMaskingGaussian(**likelihood.get_params())
    raise ValueError(
        f"mechanism='self_masking' needs a Gaussian likelihood, got {likelihood!r}. Pass columns "
        "of numbers with likelihood='auto', or set mechanism='mar'."
    )


def _checked_widths(widths: np.ndarray, n_features: int) -> np.ndarray:
    """Return the factors of deviations that were read from a file.

    Raises
    ------
    ValueError
        If they are not one factor for each column.
    """
    if len(widths) != n_features:
        raise ValueError(f"its 'widths' are {len(widths)}, but it has {n_features} columns")
    return widths


def _checked_flags(name: str, state: dict[str, Any], n_features: int) -> np.ndarray:
    """Return flags of the columns that were read from a file.

    Raises
    ------
    ValueError
        If they are not as many as the columns.
    """
    flags = state[name]
    if len(flags) != n_features:
        raise ValueError(f"its {name!r} are {len(flags)}, but it has {n_features} columns")
    return flags
