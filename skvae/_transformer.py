"""The transformer: a VAE used as PCA is used."""

from __future__ import annotations

from skvae._base import BaseVAE, EmbeddingMixin, LikelihoodScoreMixin


class VAETransformer(LikelihoodScoreMixin, EmbeddingMixin, BaseVAE):
    """Nonlinear dimensionality reduction by a variational autoencoder.

    Learns an encoder q(z|x) and a decoder p(x|z) [1]_. What :class:`~sklearn.decomposition.PCA`
    does with planes this does with curved surfaces, and adds new samples and a likelihood. Missing
    values (NaN) are accepted everywhere: a row is embedded and scored by its observed values. The
    posterior of a row without any is the prior. Rows may be a sparse matrix, or on disk: a memory
    map, an array of HDF5 or Zarr, or a Parquet file.

    Parameters
    ----------
    n_components : int, default=16
        Number of latent dimensions.
    network : {"auto", "mlp", "conv", "resnet"} or Network, default="auto"
        Encoder and decoder: a short name, or a configured object of :mod:`skvae.networks`. "auto"
        is "mlp". If the training rows are a data frame with text, categories, booleans or dates,
        it is ``MLP(hidden_layer_sizes=(512, 512), activation="silu")``, and "auto" has a meaning
        of its own for the two parameters below as well. These were chosen for the quality of
        draws.
    likelihood : str or Likelihood, default="auto"
        The distribution p(x|z): a short name, or a configured object of :mod:`skvae.likelihoods`.
        "auto" is "gaussian", or "mixed" for a data frame with text, categories, booleans or dates.
        "gaussian" and "student_t" accept any real data,
        "histogram" too, with any distribution, "bernoulli" and "continuous_bernoulli" values in
        [0, 1], "poisson" and "negative_binomial" counts, "categorical" and "discretized_logistic"
        levels 0, 1, 2, ...; "mixed" chooses a distribution for each column, see
        :class:`~skvae.likelihoods.Mixed`.
    prior : {"auto", "normal", "mixture", "vamp", "flow", "ex_post"} or Prior, default="auto"
        The distribution p(z): a short name, or a configured object of :mod:`skvae.priors`.
        "normal" is N(0, I); the others are learned. "auto" is "normal", or
        ``MixturePrior(n_mixtures=1000)`` for such a data frame.
    objective : {"auto", "elbo", "iwae", "beta_tcvae", "info_vae"} or Objective, default="auto"
        The training objective: a short name, or a configured object of :mod:`skvae.objectives`.
        "auto" is "elbo".
    max_epochs : int or "auto", default="auto"
        Passes over the training rows. "auto" fits them to the number of rows n: as many as
        ``max(1000, 20 sqrt(n))`` optimiser steps need, or at most ten times that with
        `early_stopping`.
    batch_size : int or "auto", default="auto"
        Rows per optimiser step. "auto" is 64, or 128 from 10,000 rows up; twice as many for such a
        frame of at least 2,000 rows.
    learning_rate : float, default=1e-3
        Mean learning rate of `fit`, which runs through one cycle [3]_: a warm-up to twice this over
        the first quarter, then half a cosine down to zero. The rate is constant in `partial_fit`
        and with `early_stopping`, whose end is not known beforehand. A
        :class:`skorch.callbacks.LRScheduler` among `callbacks` replaces the cycle.
    optimizer : {"adam", "sgd"} or subclass of torch.optim.Optimizer, default="adam"
        "adam" is Adam with decoupled weight decay [4]_. Gradients with a norm above 1e8, which no
        healthy fit reaches, are scaled down to that norm; for a lower limit see
        :class:`skorch.callbacks.GradientNormClipping`.
    weight_decay : float or "auto", default="auto"
        Decay of the networks' weights, biases excepted. "auto" is ``min(1, 1000 / n)`` for Adam, as
        a fixed prior on the weights counts for less the more rows there are, and 0 for other
        optimisers. "auto" also keeps small tables from being overfitted: if n is small for
        ``n_features * n_components``, part of every training batch are draws of a factor analysis.
        The notes of :class:`~skvae.likelihoods.Gaussian` state the rule.
    early_stopping : bool, default=False
        Whether to set `validation_fraction` of the rows aside, to stop when the validation loss has
        not improved for `n_iter_no_change` epochs, and to return to the best epoch.
    validation_fraction : float, default=0.1
        Share of the rows set aside for `early_stopping`, in (0, 1).
    n_iter_no_change : int, default=10
        Number of epochs without improvement after which `early_stopping` ends the fit.
    n_importance_samples : int, default=16
        Number of draws per row of the importance-weighted bound behind a log-likelihood [2]_. With
        fewer than 16, the bound is averaged over several sets of draws, 16 in all.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of matrix products during training. "auto" is bfloat16 if the encoder sees at
        least 256 values per row (features, or the levels and bins of a table's columns) and the
        processor computes it natively, else float32. Losses are always float32; scores and
        embeddings have the precision of the rows, float32 or float64.
    device : str or torch.device, default="auto"
        "auto" is a CUDA GPU if there is one, else the CPU.
    callbacks : list of skorch callbacks or None, default=None
        Called during training, see :mod:`skorch.callbacks`; :class:`~skvae.Autosave` writes
        checkpoints from which an interrupted fit continues. A callback that monitors a validation
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
    VAEAnomalyDetector : The same model as an outlier detector.
    VAEImputer : The same model as an imputer of missing values.
    sklearn.decomposition.PCA : The linear case, with noise shared by all features.
    sklearn.decomposition.FactorAnalysis : The linear case, with noise per feature.

    References
    ----------
    .. [1] Kingma & Welling (2014), "Auto-Encoding Variational Bayes".
    .. [2] Burda et al. (2016), "Importance Weighted Autoencoders", equation 8.
    .. [3] Smith & Topin (2019), "Super-Convergence".
    .. [4] Loshchilov & Hutter (2019), "Decoupled Weight Decay Regularization".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = VAETransformer(n_components=2, random_state=0).fit(X)
    >>> vae.transform(X).shape
    (150, 2)
    >>> vae.sample(3, random_state=0).shape
    (3, 4)
    """

    _takes_sources = True
