"""What every score answers; not what any of them computes."""

from __future__ import annotations

from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import UNUSED


class Score(BaseEstimator):
    """Base of the scores: a rule that learns nothing and takes one pass through the networks.

    A score holds parameters. What it learns from the training rows is a dictionary of tensors,
    which it gets back whenever it scores, so the same score may serve many models. A score of your
    own says in `score` what it computes, and overrides the others where it has more to say.

    Attributes
    ----------
    unit : str
        Unit of the score, such as "nats"; empty where it has none.

    See Also
    --------
    skvae.VAEAnomalyDetector : Takes a score as `anomaly_score`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEAnomalyDetector
    >>> from skvae.scores import Score
    >>> class Centrality(Score):
    ...     def score(self, module, x, known, n_samples):
    ...         mean, _ = module.encode(x)
    ...         return -mean.square().sum(1)
    >>> X, _ = load_iris(return_X_y=True)
    >>> detector = VAEAnomalyDetector(2, anomaly_score=Centrality(), max_epochs=2, random_state=0)
    >>> detector.fit(X).score_samples(X).shape
    (150,)
    """

    unit = ""
    # what `score` takes is nothing that scikit-learn should route
    __metadata_request__score = dict.fromkeys(("module", "x", "known", "n_samples"), UNUSED)

    def build(self, module, X, n_samples):
        """Learn from the training rows what scoring needs to know of them.

        Parameters
        ----------
        module : torch.nn.Module
            The trained model: `encode`, `decode`, `likelihood`, `prior`.
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

    def score(self, module, x, known, n_samples):
        """Score a chunk of rows, without a look at each other.

        Parameters
        ----------
        module : torch.nn.Module
            The trained model, in the precision of the rows.
        x : torch.Tensor of shape (n_samples, n_features)
            Rows in the units of the training data.
        known : dict of str to torch.Tensor
            What `build` returned, in double precision.
        n_samples : int
            The detector's `n_importance_samples`.

        Returns
        -------
        scores : torch.Tensor of shape (n_samples,)
            Higher is more normal.
        """
        raise NotImplementedError

    def shapes(self, parts):
        """Say what `build` returns, for a model that is loaded from a file.

        Parameters
        ----------
        parts : object
            Has the sizes of the model, `n_features` and `n_components`.

        Returns
        -------
        shapes : dict of str to tuple
            Name of each tensor to its shape; a string stands for a size that the rows decided.
        """
        return {}

    def n_draws(self, n_samples):
        """Say how many latent vectors of a row pass the decoder at a time, which costs memory.

        Parameters
        ----------
        n_samples : int
            The detector's `n_importance_samples`.

        Returns
        -------
        n_draws : int
            One for a score that decodes a row once.
        """
        return 1
