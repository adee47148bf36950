"""The transformer: a VAE used as PCA is used."""

from __future__ import annotations

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.metadata_routing import UNUSED

from skvae._base import BaseVAE
from skvae._model import inference as _inference
from skvae._validation import check_is_fitted, check_latent_rows


class VAETransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseVAE):
    """Nonlinear dimensionality reduction by a variational autoencoder.

    Learns an encoder q(z|x) and a decoder p(x|z) [1]_. What :class:`~sklearn.decomposition.PCA`
    does with planes this does with curved surfaces, and adds new samples and a likelihood.

    Parameters
    ----------
    n_components : int, default=16
        Latent dimensions.
    network : {"mlp", "conv", "resnet"} or object, default="mlp"
        Encoder and decoder: a short name, a configured object of :mod:`skvae.networks`, or any
        object with their two `build` methods.
    likelihood : str or object, default="gaussian"
        The distribution p(x|z), by a short name or as a configured object of
        :mod:`skvae.likelihoods`: "gaussian" and "student_t" take any real data, "bernoulli" and
        "continuous_bernoulli" values in [0, 1], "poisson" and "negative_binomial" counts,
        "categorical" and "discretized_logistic" levels 0, 1, 2, ...;
        :class:`~skvae.likelihoods.Mixed` has a distribution for each column.
    prior : {"normal", "mixture", "vamp", "flow"} or object, default="normal"
        The distribution p(z), N(0, I) or one that is learned: a short name, or a configured object
        of :mod:`skvae.priors`.
    objective : {"elbo", "iwae", "beta_tcvae", "info_vae"} or callable, default="elbo"
        What training optimises: a short name, or a configured object of :mod:`skvae.objectives`.
    max_epochs : int or "auto", default="auto"
        Passes over the training rows. "auto" fits them to their number n: as many as
        ``max(1000, 20 sqrt(n))`` optimiser steps take; ten times that at most under
        `early_stopping`.
    batch_size : int or "auto", default="auto"
        Rows per optimiser step. "auto" is 64, from 10,000 rows up 128.
    learning_rate : float, default=1e-3
        Mean learning rate of `fit`, which runs through one cycle [3]_: a warm-up to twice this over
        the first quarter, then half a cosine down to zero. It is constant in `partial_fit` and
        under `early_stopping`, where the end is not known beforehand; a
        :class:`skorch.callbacks.LRScheduler` among `callbacks` replaces the cycle.
    optimizer : {"adam", "sgd"} or subclass of torch.optim.Optimizer, default="adam"
        "adam" is Adam with decoupled weight decay [4]_. A gradient whose norm exceeds 1e8, which no
        healthy fit reaches, is scaled down to that; `callbacks` may clip it lower, see
        :class:`skorch.callbacks.GradientNormClipping`.
    weight_decay : float or "auto", default="auto"
        Decay of the networks' weights, biases excepted. "auto" is ``min(1, 1000 / n)`` for Adam, as
        a fixed prior on the weights weighs less the more rows there are, and 0 for the others.
    early_stopping : bool, default=False
        Whether to set `validation_fraction` of the rows aside, to stop when the validation loss has
        not improved for `n_iter_no_change` epochs, and to return to the best epoch.
    validation_fraction : float, default=0.1
        Share of the rows set aside under `early_stopping`, in (0, 1).
    n_iter_no_change : int, default=10
        Epochs without improvement that end a fit under `early_stopping`.
    n_importance_samples : int, default=16
        Samples of the importance-weighted bound behind a score [2]_. The bound of fewer than 16 is
        the mean over several sets of them, 16 draws in all.
    fit_density : density estimator of scikit-learn or None, default=None
        Fitted to the embedded training rows after training, such as a
        :class:`~sklearn.mixture.GaussianMixture`; `sample` then draws from it and not from the
        prior [5]_, whose draws may fall where no row lies. Of these only a GaussianMixture can be
        saved.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the matrix products in training. "auto" is bfloat16 for rows of at least 256 features on
        a processor that computes it natively, else float32. Losses are float32 always; scores and
        embeddings have the precision of the rows, float32 or float64.
    device : str or torch.device, default="auto"
        "auto" is a CUDA GPU where there is one, else the CPU.
    compile : bool, default=False
        Whether to train by code compiled with ``torch.compile``: each step is faster, after
        ten seconds or more of compiling that a long fit alone repays. Needs a C++ compiler.
    callbacks : list of skorch callbacks or None, default=None
        Called during training, see :mod:`skorch.callbacks`.
    checkpoint : str, path-like, Checkpoint or None, default=None
        A folder for periodic checkpoints of `fit`, or a :class:`~skvae.Checkpoint` that also says
        how often, how many to keep, and whether to go on from the newest.
    warm_start : bool, default=False
        Whether `fit` goes on from the fit before until `max_epochs` have been run in all, and
        warns where they were run already. Network, likelihood, prior, objective, optimizer,
        weight decay, callbacks and device stay those of the first fit.
    verbose : int, default=0
        1 shows a progress bar with loss, reconstruction and KL; 0 is silent.
    random_state : int, RandomState instance or None, default=None
        Decides initial weights, order of the rows, and draws. The global generators are neither
        read nor changed; None takes fresh entropy from the operating system.

    Attributes
    ----------
    n_components_ : int
        Latent dimensions.
    n_features_in_ : int
        Features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where X had names that are all strings.
    n_iter_ : int
        Epochs run.
    n_steps_ : int
        Optimiser steps run.
    history_ : dict of str to ndarray of shape (`n_iter_`,)
        `train_loss`, `train_reconstruction` and `train_kl` in nats per row, the same with `valid_`
        under `early_stopping`, and `duration` in seconds.
    module_ : torch.nn.Module
        The trained model, in the units of X.
    net_ : skorch.NeuralNet
        What trained it.
    device_ : str
        Where it was trained.
    precision_ : {"float32", "bfloat16"}
        Of the matrix products in training.
    density_ : density estimator or None
        The fitted `fit_density`; after `partial_fit`, fitted to the last chunk.

    See Also
    --------
    VAEAnomalyDetector : The same model as an outlier detector.
    sklearn.decomposition.PCA : The linear case, with noise shared by all features.
    sklearn.decomposition.FactorAnalysis : The linear case, with noise per feature.

    References
    ----------
    .. [1] Kingma & Welling (2014), "Auto-Encoding Variational Bayes".
    .. [2] Burda et al. (2016), "Importance Weighted Autoencoders", equation 8.
    .. [3] Smith & Topin (2019), "Super-Convergence".
    .. [4] Loshchilov & Hutter (2019), "Decoupled Weight Decay Regularization".
    .. [5] Ghosh et al. (2020), "From Variational to Deterministic Autoencoders", section 4.

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

    # the rows, which scikit-learn would take for metadata to route, as they are not called X
    __metadata_request__inverse_transform = {"Z": UNUSED}

    def transform(self, X):
        """Embed rows: the mean of q(z|x).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components)
            Posterior means, in the units of the prior.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        X = self._check_rows(X)
        return _inference.encode_mean(self.module_, X)

    def inverse_transform(self, Z):
        """Decode latent rows: E[p(x|z)].

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_components)
            Latent rows, such as `transform` returns.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Decoded means in the units of the training data.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If Z has another number of columns than `n_components_`.
        """
        check_is_fitted(self)
        Z = check_latent_rows(self, Z, self.n_components_)
        return _inference.decode(self.module_, Z)

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
            In nats, of the density of X in its own units.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        return self._score_rows(self._check_rows(X), "log_likelihood")

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

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
