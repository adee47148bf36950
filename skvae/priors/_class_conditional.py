"""The class-conditional prior: a distribution of latent vectors for each class."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from sklearn.base import clone
from torch import Tensor, nn

from skvae._parts import Encode, Prior, PriorModule
from skvae._validation import InvalidParameterError
from skvae.priors._mixture import MixturePrior


class ClassConditional(Prior):
    """A distribution p(z|y) for each class, and the shares p(y) of the classes.

    :class:`~skvae.VAEClassifier` builds it from its `prior`, which is that of every class.

    Parameters
    ----------
    prior : Prior or None, default=None
        The distribution of each class, which must be learned in training. None is
        ``MixturePrior(n_mixtures=10)``.
    class_shares : sequence of float, default=(0.5, 0.5)
        Shares of the classes from which training starts, all of them positive.

    See Also
    --------
    skvae.VAEClassifier : The estimator that uses it.

    Notes
    -----
    ``p(z) = sum_y p(y) p(z|y)`` [1]_, so that all objectives and scores see an ordinary prior. The
    shares are learned.

    References
    ----------
    .. [1] Jiang et al. (2017), "Variational Deep Embedding", equation 1, with classes for clusters.

    Examples
    --------
    >>> import torch
    >>> from skvae.priors import ClassConditional
    >>> prior = ClassConditional(class_shares=(0.2, 0.3, 0.5)).build(n_components=2)
    >>> prior.log_joint(torch.zeros(5, 2)).shape
    torch.Size([5, 3])
    >>> prior.sample_class(1, 4).shape
    torch.Size([4, 2])
    """

    _parameter_constraints: dict = {
        "prior": [Prior, None],
        "class_shares": ["array-like"],
    }

    def __init__(self, *, prior=None, class_shares=(0.5, 0.5)):
        self.prior = prior
        self.class_shares = class_shares

    def validate(self) -> None:
        super().validate()
        if not all(share > 0 for share in self.class_shares):
            raise InvalidParameterError(
                "'class_shares' of ClassConditional must be positive numbers, got "
                f"{self.class_shares!r}."
            )

    def build(
        self, n_components: int, examples: Callable[..., Tensor] | None = None
    ) -> ClassConditionalModule:
        """Build the distribution.

        Parameters
        ----------
        n_components : int
            Number of latent dimensions.
        examples : callable or None, default=None
            ``examples(n, label=k)`` returns n training rows of class k drawn at random and
            standardised.

        Returns
        -------
        prior : PriorModule
            With the further methods `log_joint`, log p(z, y) of all classes, and `sample_class`.

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        ValueError
            If the prior of the classes has nothing to learn by which classes could differ.
        """
        self.validate()
        prior, of_class = self._of_each_class(), []
        for label in range(len(self.class_shares)):
            rows = None if examples is None else partial(examples, label=label)
            of_class.append(clone(prior).build(n_components, rows))
        if not any(True for _ in of_class[0].parameters()):
            raise ValueError(
                f"prior={prior!r} has nothing to learn in training, so that all classes would have "
                "the same distribution of latent vectors. Choose 'mixture', 'vamp' or 'flow'."
            )
        return ClassConditionalModule(n_components, of_class, self.class_shares)

    @property
    def keeps_examples(self) -> bool:
        return self._of_each_class().keeps_examples

    def _of_each_class(self) -> Prior:
        return MixturePrior(n_mixtures=10) if self.prior is None else self.prior


class ClassConditionalModule(PriorModule):
    """What `ClassConditional` builds: the priors of the classes and their log shares."""

    def __init__(self, n_components: int, of_class: list[PriorModule], class_shares: list[float]):
        super().__init__(n_components)
        self.of_class = nn.ModuleList(of_class)
        logits = [math.log(share) for share in class_shares]
        self.logits = nn.Parameter(torch.tensor(logits, dtype=torch.float32))

    @property
    def priors(self) -> list[PriorModule]:
        """The prior of each class."""
        return [cast(PriorModule, prior) for prior in self.of_class]

    @property
    def log_shares(self) -> Tensor:
        """Logarithms of the shares of the classes, (n_classes,)."""
        return self.logits.log_softmax(-1)

    def log_joint(self, z: Tensor) -> Tensor:
        """Return log p(z, y) of all classes in nats, (..., n_classes)."""
        priors = self.priors
        return type(priors[0]).log_probs(priors, z) + self.log_shares

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_joint(z).logsumexp(-1)

    def normals(self) -> tuple[Tensor, Tensor, Tensor] | None:
        of_class = [prior.normals() for prior in self.priors]
        known = [normals for normals in of_class if normals is not None]
        if len(known) < len(of_class):
            return None
        log_weights, means, spread = (torch.cat(part) for part in zip(*known, strict=True))
        shares = self.log_shares.repeat_interleave(len(known[0][0]))
        return log_weights + shares, means, spread

    def sample(self, n_samples: int, generator: torch.Generator | None = None) -> Tensor:
        shares = self.log_shares.exp().to("cpu" if generator is None else generator.device)
        labels = shares.multinomial(n_samples, replacement=True, generator=generator)
        z = self.logits.new_empty(n_samples, self.n_components)
        for label in labels.unique().tolist():
            chosen = (labels == label).nonzero()[:, 0].to(z.device)
            z[chosen] = self.sample_class(label, len(chosen), generator)
        return z

    def sample_class(
        self, label: int, n_samples: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw latent vectors of one class, (n_samples, n_components)."""
        return self.priors[label].sample(n_samples, generator)

    def follow(self, encode: Encode) -> None:
        for prior in self.priors:
            prior.follow(encode)
