"""The base of the estimators: parameters, training, and the methods that all of them share."""

# Over 500 lines: the base whole, of whose lines nearly half are docstrings.

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import metadata_routing
from skorch.callbacks import Callback
from skorch.history import History

from skvae._model import inference
from skvae._model.module import Parts, VAEModule, build_module, restore_module
from skvae._parts import Likelihood, Network, Objective, Prior, Score, Support
from skvae._random import draw_seed, isolated_rng, make_generator
from skvae._rows.arrays import (
    check_latent_rows,
    check_rows,
    column_of_numbers,
    evenly_spaced,
    has_gaps,
    is_frame,
)
from skvae._rows.batches import TrainingRows, training_rows, with_values
from skvae._rows.frames import check_table, encoded_value
from skvae._rows.lines import Lines
from skvae._rows.opening import check_source, check_stored, opened, opened_to_train
from skvae._rows.parquet import ParquetTable
from skvae._rows.source import Source, SparseRows
from skvae._rows.table import TableSchema
from skvae._scaling import filled_by_ranks
from skvae._specs import OF_TABLES, OPTIMIZERS, SHORT_NAMES, resolve, resolve_optimizer
from skvae._training.budget import (
    EARLY_STOPPING_CEILING,
    resolve_device,
    resolve_precision,
    training_budget,
)
from skvae._training.callbacks import FitCallback, Start, is_a, without_name
from skvae._training.fit import train, train_one_pass
from skvae._training.net import Settings, VAENet, copy_net, new_net
from skvae._training.processes import processes
from skvae._validation import (
    DocumentedEstimator,
    Interval,
    InvalidParameterError,
    OutsideSupportError,
    StrOptions,
    _fit_context,
    check_count,
    check_is_fitted,
    check_out,
    check_weights,
)

_MOST_PATTERNS, _MOST_PATTERN_CELLS = 10_000, 2**21  # of gaps, in a model and in its file


class BaseVAE(DocumentedEstimator):
    """Base of the estimators; its parameters are documented where users meet them."""

    _parameter_constraints: ClassVar[dict] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "network": [StrOptions(set(SHORT_NAMES["network"])), Network],
        "likelihood": [StrOptions(set(SHORT_NAMES["likelihood"])), Likelihood],
        "prior": [StrOptions(set(SHORT_NAMES["prior"])), Prior],
        "objective": [StrOptions(set(SHORT_NAMES["objective"])), Objective],
        "max_epochs": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), type],
        "weight_decay": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "n_importance_samples": [Interval(Integral, 1, None, closed="left")],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "device": [str, torch.device],
        "callbacks": [list, None],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    _takes_sources = False  # whether X may be sparse, or too large for the memory
    _schema: TableSchema | None = None  # of the training rows, if they were a data frame
    _gap_patterns: np.ndarray | None = None  # where some training rows had missing values

    def __init__(
        self,
        n_components=16,
        *,
        network="auto",
        likelihood="auto",
        prior="auto",
        objective="auto",
        max_epochs="auto",
        batch_size="auto",
        learning_rate=1e-3,
        optimizer="adam",
        weight_decay="auto",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        n_importance_samples=16,
        precision="auto",
        device="auto",
        callbacks=None,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.network = network
        self.likelihood = likelihood
        self.prior = prior
        self.objective = objective
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.n_importance_samples = n_importance_samples
        self.precision = precision
        self.device = device
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like, sparse matrix or rows on disk, of shape (n_samples, n_features)
            Training rows, at least two, in any units that the likelihood accepts. NaN is a missing
            value; rows without any observed value are left out.
        y : Ignored
            For scikit-learn's pipelines.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each row, which counts as so many copies of it; a row of weight zero is
            left out. None is one for every row.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X is not a two-dimensional array that the likelihood and the network accept, if it
            has infinite values or fewer than two rows with observed values, or if weights are
            negative, not finite, not one per row, or leave fewer than two rows.
        FloatingPointError
            If the loss becomes NaN or infinite.

        Notes
        -----
        Whole weights give the same bits as copies of the rows. A row of weight 2.5 is seen 2.5
        times per epoch on average. Weights that sum to less than the number of rows with positive
        weight, as probabilities do, are multiplied by a factor so that they sum to it. If they sum
        to more than 100,000, or if all copies would hold more than 100 million values, they are
        divided accordingly, but sum to no less than the number of rows with positive weight.

        As with copies, a row set aside by `early_stopping` may have copies among the rows to train
        on.

        In a table of up to a million values, copies included, the order of the rows has no
        influence on the result.
        """
        with self._unchanged_on_failure():
            self._fit_rows(self._check_training_rows(X, sample_weight))
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train for one pass over these rows, from where the last call or fit ended.

        For data that do not fit in memory. The first call takes the scaling of the features, the
        batch size and the weight decay from its chunk; the learning rate stays constant.

        Parameters
        ----------
        X : array-like, sparse matrix or rows on disk, of shape (n_samples, n_features)
            A chunk of training rows, in which NaN is a missing value. Only if the first chunk has
            missing values does the encoder see where they are.
        y : Ignored
            For scikit-learn's pipelines.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each row, which counts as so many copies of it; a row of weight zero is
            left out. None is one for every row.

        Returns
        -------
        self : object
            The estimator, trained one epoch further.

        Raises
        ------
        ValueError
            If X is not a two-dimensional array that the likelihood and the network accept, if it
            has infinite values or fewer than two rows with observed values, or if weights are
            negative, not finite, not one per row, or leave fewer than two rows.
        FloatingPointError
            If the loss becomes NaN or infinite.

        Notes
        -----
        The weights of a chunk are treated as in `fit`. Chunks that differ in their mean weight
        should therefore have weights of at least one per row on average.
        """
        with self._unchanged_on_failure():
            self._fit_pass(self._check_chunk(X, sample_weight))
        return self

    def reconstruct(self, X, *, out=None):
        """Encode and decode: E[p(x|z)] at the posterior mean of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.
        out : array of shape (n_samples, n_features) or None, default=None
            Receives the result block by block if it does not fit in memory: a memory map of NumPy,
            or an array of h5py or Zarr. None makes a new array.

        Returns
        -------
        X_reconstructed : ndarray or data frame of shape (n_samples, n_features)
            In the units of X, without missing values. A data frame if the training rows were one;
            `out` if it is given.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `out` has another shape than the result or a type that cannot hold it, or if the
            training rows were a data frame with text, categories or dates.
        """
        X = self._check_rows(X)
        self._check_out_of_rows(out, len(X), X.dtype)
        return self._decoded(inference.encode_mean(self.module_, X), out)

    def _decoded(self, Z: Any, out: Any = None) -> Any:
        """Return E[p(x|z)] in the form of the training rows, or `out`, which then holds it."""
        decoded = inference.decode(self.module_, Z, out)
        return self._as_given(decoded) if out is None else out

    def _check_out_of_rows(self, out: Any, n_rows: int, dtype: np.dtype) -> None:
        """Refuse an array that cannot hold so many decoded rows."""
        if out is not None and self._is_table:
            raise ValueError(
                "'out' must be None, as the training rows were a data frame with text, categories "
                "or dates, which an array of numbers cannot hold. Pass blocks of rows instead."
            )
        check_out(out, (n_rows, self.n_features_in_), dtype)

    def posterior(self, X):
        """Return the posterior q(z|x) of every row, a diagonal Gaussian.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        mean, std : ndarrays of shape (n_samples, n_components)
            In the units of the prior.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        X = self._check_rows(X)
        return inference.encode(self.module_, X)

    def sample(self, n_samples=1, *, random_state=None, mean=False, given=None, missing=False):
        """Draw new rows from the model.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws; None gives different draws at every call.
        mean : bool, default=False
            False draws z from the prior and x from p(x|z), so that the rows are distributed as the
            model says and as `score_samples` scores them. True returns the mean of p(x|z) instead
            of a draw from it: rows without noise, as for pictures.
        given : dict or None, default=None
            Values of some columns by name, or by position if the training rows had no names. Rows
            are then drawn from the model given these values [1]_. A condition that holds for one
            row in a hundred costs about 50,000 passes of the decoder.
        missing : bool, default=False
            Whether the rows have missing values, as the training rows had: each row has the gaps of
            a training row drawn at random, whatever its values. Those in `given` are never missing.

        Returns
        -------
        X_new : ndarray or data frame of shape (n_samples, n_features)
            In the units of X and the dtype of the training data. If that was a data frame, a frame
            of the same library with the same names, types and categories, in which values lie
            within the range of the training data.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `n_samples` is not a positive integer, if `given` names a column or a value that the
            training data did not have, if the condition is too rare under the model, in which case
            the message has the effective sample size, or if `missing` is True and the training data
            had no missing values.

        References
        ----------
        .. [1] Rubin (1987), "The Calculation of Posterior Distributions by Data Augmentation:
           Comment", on sampling-importance resampling.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples)
        return self._sample(n_samples, None, random_state, mean, given, missing)

    def _sample(self, n_samples, labels, random_state, mean, given, missing):
        """Draw rows, of the classes with these numbers unless they are None; see `sample`."""
        seed = draw_seed(random_state)
        generator = make_generator(seed, self.device_)
        row, columns = self._given_row(given or {})
        if labels is None:
            Z = self._drawn_latents(n_samples, None, row, columns, generator)
        else:
            Z = np.empty((n_samples, self.n_components_), dtype=self._fit_dtype)
            for label in np.unique(labels):
                chosen = labels == label
                n_chosen = int(chosen.sum())
                Z[chosen] = self._drawn_latents(n_chosen, int(label), row, columns, generator)
        if mean:
            X = inference.decode(self.module_, Z)
        else:
            X = inference.draw_rows(self.module_, Z, generator)
        if missing:
            X[self._drawn_gaps(n_samples, seed)] = np.nan
        X[:, columns] = row[:, columns]
        return self._as_given(X, seed)

    def _drawn_latents(
        self,
        n_samples: int,
        label: int | None,
        row: np.ndarray,
        columns: list[int],
        generator: torch.Generator,
    ) -> np.ndarray:
        if columns:
            args = (row, columns, n_samples, generator, label)
            return inference.sample_conditional(self.module_, *args)
        Z = inference.sample_prior(self.module_, n_samples, generator, label)
        return Z.astype(self._fit_dtype)

    def set_params(self, **params):
        """Set parameters, also those of a part, such as ``network__dropout``.

        A short name of the part is then replaced by the object that it stands for.

        Parameters
        ----------
        **params : dict
            Parameters by their names.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        for role, names in SHORT_NAMES.items():
            part = params.get(role, vars(self).get(role))
            nested = any(name.startswith(f"{role}__") for name in params)
            if nested and isinstance(part, str) and part in names:
                params[role] = names[part]()
        return super().set_params(**params)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = self._takes_sources
        return tags

    @property
    def device_(self):
        """The device of the module, as a string."""
        return str(next(self.module_.parameters()).device)

    def _check_training_rows(self, X, sample_weight) -> TrainingRows:
        X = self._array_of(self._opened(X), reset=not self._goes_on(), min_samples=2)
        return self._weighted(X, sample_weight, min_samples=2)

    def _check_chunk(self, X, sample_weight) -> TrainingRows:
        first = not hasattr(self, "module_")
        min_samples = 2 if first else 1
        X = self._array_of(self._opened(X), reset=first, min_samples=min_samples)
        return self._weighted(X, sample_weight, min_samples)

    def _opened(self, X) -> Any:
        """Return rows to train on as an array, a data frame, or a source of rows."""
        return opened_to_train(X) if self._takes_sources else X

    def _array_of(self, X, *, reset: bool, min_samples: int = 1) -> Any:
        """Return checked rows as an array or a source; names and dates of frames as codes."""
        if self._takes_sources:
            X = opened(X)
        if isinstance(X, ParquetTable):
            self._schema = self._learned_schema(X) if reset else self._schema
            return check_stored(self, X, self._schema if self._is_table else None, reset=reset)
        if isinstance(X, Source) and (reset or not self._is_table):
            self._schema = None if reset else self._schema
            return check_source(self, X, reset=reset, min_samples=min_samples)
        if reset:
            self._schema = self._learned_schema(X)
        if not self._is_table:
            return check_rows(self, X, reset=reset, min_samples=min_samples)
        return check_table(self, X, self._schema, reset=reset, min_samples=min_samples)

    def _learned_schema(self, X) -> TableSchema | None:
        """Return the schema of a frame; None for an array, or for names that are not accepted."""
        is_stored = isinstance(X, ParquetTable)
        if not is_stored and not is_frame(X):
            return None
        likelihood = resolve("likelihood", self.likelihood, OF_TABLES)
        kinds = likelihood.kinds
        schema = X.schema(kinds) if is_stored else TableSchema.learn(X, kinds)
        return schema if schema.is_numeric or likelihood.accepts_names else None

    def _as_given(self, X: np.ndarray, seed: int | None = None) -> Any:
        """Return rows in the form of the training rows: an array, or a frame of their library."""
        if self._schema is None:
            return X
        return self._schema.decode(X, None if seed is None else np.random.default_rng(seed))

    def _given_row(self, given: dict[Any, Any]) -> tuple[np.ndarray, list[int]]:
        """Return a row with the given values in the units of the model, and their columns."""
        names = self._feature_names()
        names = range(self.n_features_in_) if names is None else names.tolist()
        if unknown := [name for name in given if name not in names]:
            raise ValueError(
                f"'given' has a value for {unknown[0]!r}, but the columns of the training data are "
                f"{', '.join(map(repr, names))}."
            )
        columns = [names.index(name) for name in given]
        row = np.zeros((1, len(names)), dtype=self._fit_dtype)
        for column, (name, value) in zip(columns, given.items(), strict=True):
            if self._schema is not None:
                row[0, column] = encoded_value(self._schema, column, value)
            else:
                row[0, column] = column_of_numbers(name, [value])[0]
        return row, columns

    def _drawn_gaps(self, n_samples: int, seed: int) -> np.ndarray:
        """Return where drawn rows have gaps: where training rows, drawn at random, had them."""
        if self._gap_patterns is None:
            raise ValueError(
                "missing=True draws rows with the gaps of the training data, but these had no "
                "missing values. Set missing=False."
            )
        chosen = np.random.default_rng(seed).integers(0, len(self._gap_patterns), n_samples)
        return self._gap_patterns[chosen]

    @property
    def _is_table(self) -> bool:
        """Whether the training rows are a data frame with names or dates."""
        return self._schema is not None and not self._schema.is_numeric

    def _latent_size(self, n_features: int) -> int:
        """Return the number of latent dimensions of a new model."""
        return self.n_components

    def _resolve(self, role: str) -> Any:
        """Return a part by the short name or the object given, by the kind of the training rows."""
        return resolve(role, getattr(self, role), self._autos())

    def _autos(self) -> dict[str, Any]:
        """Return what "auto" means for some roles, by the kind of the training rows."""
        return OF_TABLES if self._is_table else {}

    def _likelihood_of(self, X: np.ndarray) -> Likelihood:
        """Return the likelihood for training rows, by the kinds of their columns."""
        spec = self._resolve("likelihood")
        if self._schema is not None:
            examples = X.examples() if isinstance(X, Source) else X
            return spec.for_table(self._schema.columns, filled_by_ranks(examples))
        _refuse_kinds(spec)
        return spec

    def _weighted(self, X: Any, sample_weight, min_samples: int) -> TrainingRows:
        weights = None if sample_weight is None else check_weights(sample_weight, X)
        rows = with_values(training_rows(X, weights))
        if weights is None and len(rows.X) < min_samples <= len(X):
            raise ValueError(
                f"{len(X) - len(rows.X)} of {len(X)} rows of X have no observed value, but at "
                f"least {min_samples} rows with values are required. Pass more rows."
            )
        if rows.n_rows < min_samples:
            raise ValueError(
                f"The positive values of 'sample_weight' stand for {rows.n_rows} row, but at least "
                f"{min_samples} are required. Pass more rows of positive weight."
            )
        return rows

    def _check_rows(self, X) -> Any:
        X = self._check_any_rows(X)
        self._check_support(TrainingRows(X))
        return X

    def _check_any_rows(self, X) -> Any:
        """Check rows whose values the likelihood need not accept."""
        check_is_fitted(self)
        return self._array_of(X, reset=False)

    def _check_support(self, rows: TrainingRows) -> None:
        support = self.module_.likelihood.support
        if support is not None:
            self._placed(lambda X: _check_support(support, X, self.likelihood), rows)

    def _placed(self, function: Callable[[np.ndarray], Any], rows: TrainingRows) -> Any:
        """Apply a function to rows; an error for a value gives its first place in the table.

        That is the number of the row and, if it has one, the name of the column.
        """
        try:
            return function(rows.X)
        except OutsideSupportError:
            rows, names = rows.in_order_of_table(), self._feature_names()
        try:
            return function(rows.X)
        except OutsideSupportError as exc:
            row = exc.row if rows.source is None else int(rows.source[exc.row])
            raise exc.at(row=row, name=None if names is None else names[exc.column]) from None

    def _feature_names(self) -> np.ndarray | None:
        return getattr(self, "feature_names_in_", None)

    def _fit_rows(self, rows: TrainingRows) -> None:
        """Train on rows that were checked: a new module or, under a warm start, a copy."""
        start = Start(self._seed_of_fit(), self.n_iter_ if self._goes_on() else 0)
        for callback in self.callbacks or ():
            if is_a(callback, FitCallback):
                identity = self._identifying(rows)
                start = without_name(callback).on_fit_begin(self, identity, start)
        with isolated_rng(start.seed, resolve_device(self.device)):
            net = self._net_to_train(rows, start.seed, self._goes_on())
            train(net, rows.X, start.epochs_before, rows.shares)
        self._adopt_trained(net, rows.sample(), start.seed)

    def _identifying(self, rows: TrainingRows) -> np.ndarray:
        """Return what distinguishes the rows of a fit from those of another."""
        return rows.drawn()

    def _fit_pass(self, rows: TrainingRows) -> None:
        """Train for one epoch on rows that were checked."""
        seed = self._seed_of_fit()
        with isolated_rng(seed, resolve_device(self.device)):
            net = self._net_to_train(rows, seed, hasattr(self, "module_"))
            train_one_pass(net, rows.X, rows.shares)
        self._adopt_trained(net, rows.sample(), seed)

    def _seed_of_fit(self) -> int:
        """Draw the seed of a fit, the same in all processes that train together."""
        seed = draw_seed(self.random_state)
        return processes().common_seed(seed, resolve_device(self.device))

    def _goes_on(self) -> bool:
        return self.warm_start and hasattr(self, "module_")

    def _net_to_train(self, rows: TrainingRows, seed: int, goes_on: bool) -> VAENet:
        settings, n_components = self._settings(rows, seed), self._latent_size(rows.X.shape[1])
        if not goes_on:
            module = self._placed(self._builder(rows, n_components), rows)
            return new_net(module, self._in_precision(settings, module))
        if n_components != self.n_components_:
            raise ValueError(
                f"n_components={n_components} differs from the {self.n_components_} of the "
                "fit to continue. Set warm_start=False, or clone the estimator, to start anew."
            )
        self._check_support(rows)
        if self._net is None:
            settings = self._in_precision(settings, self.module_)
            return new_net(copy.deepcopy(self.module_), settings, history_of(self._history))
        kept = ("objective", "optimizer", "weight_decay", "pseudo_rows", "precision", "device")
        if self.batch_size == "auto":
            kept += ("batch_size",)
        settings = replace(settings, **{name: getattr(self._net.settings, name) for name in kept})
        return copy_net(self._net, settings)

    def _builder(self, rows: TrainingRows, n_components: int) -> Callable[[Any], VAEModule]:
        """Return the function that builds a new module for the training rows."""
        network, prior = self._resolve("network"), self._resolve("prior")

        def build(X: Any) -> VAEModule:
            likelihood = self._likelihood_of(X)
            with _examples(likelihood, X) as examples:
                module = build_module(network, likelihood, prior, examples, n_components)
            if isinstance(X, Source) and module.likelihood.support is not None:
                _check_support(module.likelihood.support, X, likelihood)
            return module

        return build

    def _in_precision(self, settings: Settings, module: VAEModule) -> Settings:
        """Return the settings with the precision for the width of what the encoder sees."""
        width = module.likelihood.n_inputs or module.parts.n_features
        precision = resolve_precision(self.precision, settings.device, width)
        return replace(settings, precision=precision)

    def _settings(self, rows: TrainingRows, seed: int) -> Settings:
        """Resolve the parameters of training, except the precision, which the module decides."""
        budget = training_budget(rows.n_rows, self.batch_size, of_table=self._is_table)
        ceiling = budget.max_epochs * (EARLY_STOPPING_CEILING if self.early_stopping else 1)
        decay = budget.weight_decay if self.optimizer == "adam" else 0.0
        device = resolve_device(self.device)
        return Settings(
            objective=self._resolve("objective"),
            seed=seed,
            max_epochs=ceiling if self.max_epochs == "auto" else self.max_epochs,
            batch_size=budget.batch_size,
            lr=self.learning_rate,
            optimizer=resolve_optimizer(self.optimizer),
            weight_decay=decay if self.weight_decay == "auto" else self.weight_decay,
            pseudo_rows=self.weight_decay == "auto",
            precision=self.precision,
            device=device,
            callbacks=_checked_callbacks(self.callbacks),
            patience=self.n_iter_no_change if self.early_stopping else None,
            validation_fraction=self.validation_fraction,
            verbose=self.verbose,
        )

    def _adopt_trained(self, net: VAENet, X: np.ndarray, seed: int) -> None:
        generator = make_generator(seed, net.device)
        net.module_.prior.conclude(lambda: inference.draw_posterior(net.module_, X, generator))
        columns = history_columns(net.history)
        self._adopt(net.module_, columns, net.settings.precision, X.dtype)
        self._gap_patterns = gaps_of_rows(X)
        # callbacks belong to the run, and may hold objects that cannot be copied
        net.settings = replace(net.settings, callbacks=())
        self._net = net

    def _adopt(
        self, module: VAEModule, history: dict[str, Any], precision: str, dtype: np.dtype
    ) -> None:
        """Take a trained module as one's own, with the attributes that follow from it."""
        self.module_ = module
        self.n_components_ = module.parts.n_components
        self.history_ = _measured(history)
        self.n_iter_ = len(history["epoch"])
        self.n_steps_ = int(history["train_batch_count"].sum())
        self.precision_ = precision
        self._history = history
        self._fit_dtype = dtype
        self._net = None  # without one, further training starts with a fresh optimiser

    def _get_state(self) -> dict[str, Any]:
        """Return what `fit` has set as a dictionary of plain values and tensors."""
        names = self._feature_names()
        return {
            "parts": self.module_.parts._asdict(),
            "weights": self.module_.state_dict(),
            "history": self._history,
            "precision": self.precision_,
            "dtype": str(self._fit_dtype),
            "feature_names": None if names is None else Lines.of(names),
            "table": None if self._schema is None else self._schema.packed(),
            "gap_patterns": self._gap_patterns,
        }

    def _set_state(self, state: dict[str, Any], device: str) -> None:
        """Set what `_get_state` returned; the module is built on a device before it is filled."""
        module = restore_module(Parts(**state["parts"]), state["weights"], device)
        self.n_features_in_ = module.parts.n_features
        names = _checked_names(state["feature_names"], module.parts.n_features)
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        self._schema = _schema_of(state["table"], module.parts.n_features)
        module.to(_device_here(self.device))
        self._gap_patterns = _checked_gaps(state["gap_patterns"], module.parts.n_features)
        dtype = np.dtype(state["dtype"])
        self._adopt(module, state["history"], state["precision"], dtype)

    @contextmanager
    def _unchanged_on_failure(self) -> Iterator[None]:
        """Restore all attributes if the block raises: fitted wholly or not at all."""
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise


class EmbeddingMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """The methods of the estimators whose `transform` is the embedding."""

    # `out` says where results go, and is none of the metadata that a pipeline passes on
    __metadata_request__transform: ClassVar = {"out": metadata_routing.UNUSED}
    __metadata_request__inverse_transform: ClassVar = {"out": metadata_routing.UNUSED}

    def transform(self, X, *, out=None):
        """Embed rows: the mean of q(z|x).

        Parameters
        ----------
        X : array-like, sparse matrix or rows on disk, of shape (n_samples, n_features)
            Rows in the units of the training data.
        out : array of shape (n_samples, n_components) or None, default=None
            Receives the result block by block if it does not fit in memory: a memory map of NumPy,
            or an array of h5py or Zarr. None makes a new array.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components)
            Posterior means, in the units of the prior; `out` if it is given.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `out` has another shape than the result or a type that cannot hold it.
        """
        X = self._check_rows(X)
        check_out(out, (len(X), self.n_components_), X.dtype)
        return inference.encode_mean(self.module_, X, out)

    def inverse_transform(self, X, *, out=None):
        """Decode latent rows: E[p(x|z)].

        Parameters
        ----------
        X : array-like or rows on disk, of shape (n_samples, n_components)
            Latent rows, such as `transform` returns.
        out : array of shape (n_samples, n_features) or None, default=None
            Receives the result block by block if it does not fit in memory: a memory map of NumPy,
            or an array of h5py or Zarr. None makes a new array.

        Returns
        -------
        X_original : ndarray or data frame of shape (n_samples, n_features)
            Decoded means in the units of the training data. A data frame if the training rows were
            one; `out` if it is given.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If X has another number of columns than `n_components_`, if `out` has another shape than
            the result or a type that cannot hold it, or if it is given and the training rows were a
            data frame with text, categories or dates.
        """
        check_is_fitted(self)
        Z = check_latent_rows(self, opened(X), self.n_components_)
        self._check_out_of_rows(out, len(Z), Z.dtype)
        return self._decoded(Z, out)

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class LikelihoodScoreMixin:
    """The methods of the estimators whose `score_samples` is the log-likelihood."""

    def score_samples(self, X):
        """Return the log-likelihood of every row.

        It is the importance-weighted bound of Burda et al. (2016) with `n_importance_samples`
        draws, whose expectation grows with their number towards log p(x). All rows share one fixed
        set of draws: the score is a function of the row alone.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,), float64
            In nats, of the density of X in its own units; of the observed values alone in rows with
            missing ones.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        X = self._check_rows(X)
        return inference.score(self.module_, X, "log_likelihood", self.n_importance_samples)

    def score(self, X, y=None):
        """Return the mean log-likelihood of the rows, so that model selection needs no scorer.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.
        y : Ignored
            For scikit-learn's pipelines.

        Returns
        -------
        log_likelihood : float
            Mean of `score_samples`, in nats per row.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        return float(self.score_samples(X).mean())


def reads(part: Likelihood | Score, X: Any) -> bool:
    """Return whether a part is built from all rows, and not from a sample of them."""
    if not isinstance(X, Source):
        return True
    return part.reads_sparse and isinstance(X, SparseRows) and not X.survey.has_gaps


@contextmanager
def _examples(likelihood: Likelihood, X: Any) -> Iterator[Any]:
    """Lend the rows, or a sample of a source; an error for a value gives its row in the source."""
    if reads(likelihood, X):
        yield X
        return
    examples = X.examples()
    try:
        yield examples
    except OutsideSupportError as exc:
        row = X.first_row_with(exc.column, examples[exc.row, exc.column])
        raise exc.at(row=row) from None


def _check_support(support: Support, X: Any, likelihood: Any) -> None:
    """Raise an error if a value is outside the support, with its row."""
    if not isinstance(X, Source):
        support.check(X, likelihood)
        return
    for start, rows in zip(X.starts(), X.blocks(), strict=True):
        try:
            support.check(rows, likelihood)
        except OutsideSupportError as exc:
            raise exc.at(row=start + exc.row) from None


def _refuse_kinds(likelihood: Likelihood) -> None:
    if likelihood.kinds:
        raise ValueError(
            "'kinds' of the likelihood names columns of a data frame, but X is an array, whose "
            "columns have no names. Pass a data frame, or kinds=None."
        )


def _measured(columns: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the durations, losses and other parts of the objective in a history."""
    found: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        measured = name.startswith(("train_", "valid_")) and not name.endswith(("_count", "_best"))
        if name == "dur" or measured:
            found["duration" if name == "dur" else name] = np.array(values, dtype=np.float64)
    return found


def history_columns(history: History) -> dict[str, Any]:
    """Return a history by columns, each an array if possible; of floats with NaN if missing."""
    names = dict.fromkeys(name for row in history for name in row if name != "batches")
    return {name: _history_column([row.get(name) for row in history]) for name in names}


def _history_column(values: list[Any]) -> Any:
    kinds = set(map(type, values))
    if kinds <= {float, type(None)}:
        return np.array([np.nan if value is None else value for value in values])
    return np.array(values) if kinds in ({bool}, {int}) else values


def history_of(columns: dict[str, Any]) -> History:
    """Return the history that `history_columns` took apart."""
    history = History()
    plain = [
        [None if value != value else value for value in column.tolist()]
        if isinstance(column, np.ndarray)
        else column
        for column in columns.values()
    ]
    for values in zip(*plain, strict=True):
        known = {
            name: value for name, value in zip(columns, values, strict=True) if value is not None
        }
        history.append({"batches": [], **known})  # `record` takes time for every earlier epoch
    return history


def _checked_names(lines: Lines | None, n_features: int) -> list[str] | None:
    """Return names of features that were read from a file.

    Raises
    ------
    ValueError
        If they are not as many as the features of the model.
    """
    if lines is not None and len(lines) != n_features:
        raise ValueError(f"it names {len(lines)} features, but its model has {n_features}")
    return None if lines is None else list(lines)


def _schema_of(state: dict[str, Any] | None, n_features: int) -> TableSchema | None:
    """Return the schema of a table that was read from a file.

    Raises
    ------
    ValueError
        If it is not sound, or has another number of columns than the model.
    """
    if state is None:
        return None
    schema = TableSchema.from_packed(state)
    if len(schema.columns) != n_features:
        raise ValueError(
            f"its table has {len(schema.columns)} columns, but its model has {n_features} features"
        )
    return schema


def gaps_of_rows(X: np.ndarray) -> np.ndarray | None:
    """Return where evenly spaced rows have missing values; None if none has any."""
    if not has_gaps(X):
        return None
    n_rows = min(_MOST_PATTERNS, max(2, _MOST_PATTERN_CELLS // X.shape[1]))
    return np.isnan(X[evenly_spaced(len(X), n_rows)])


def _checked_gaps(patterns: np.ndarray | None, n_features: int) -> np.ndarray | None:
    """Return patterns of gaps that were read from a file.

    Raises
    ------
    ValueError
        If they are not as wide as the model.
    """
    if patterns is not None and patterns.shape[1] != n_features:
        raise ValueError(
            f"its patterns of gaps have {patterns.shape[1]} columns, but its model {n_features}"
        )
    return patterns


def _checked_callbacks(callbacks: list[Any] | None) -> tuple[Any, ...]:
    """Return the callbacks, if skorch can take them: objects, classes, or pairs with a name."""
    for callback in callbacks or ():
        if not is_a(callback, Callback):
            raise InvalidParameterError(
                f"The 'callbacks' parameter must be a list of skorch callbacks, got {callback!r} "
                "in it."
            )
    return tuple(callbacks or ())


def _device_here(device: str | torch.device) -> str:
    """Return the device, or the CPU if that device is not available."""
    try:
        return resolve_device(device)
    except ValueError:
        return "cpu"
