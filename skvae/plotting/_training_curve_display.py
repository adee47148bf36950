"""Display of the losses over the epochs of training."""

from __future__ import annotations

import numpy as np

from skvae._validation import check_is_fitted
from skvae.plotting._figure_layout import COLOURS, axes_to_draw_on, panels_within
from skvae.plotting._pipelines import Opened
from skvae.plotting._shared_docs import share_docs

_TITLES = {
    "loss": "loss: lower is better",
    "reconstruction": "reconstruction, E[log p(x|z)]: higher is better",
    "kl": "KL(q(z|x) ‖ p(z)): distance from the prior",
}


@share_docs()
class TrainingCurveDisplay:
    """Loss, reconstruction and KL divergence over the epochs, in nats per row.

    With a validation split, its curves are drawn beside those of the training rows, and the epoch
    of the lowest validation loss, to which early stopping returns, is marked.

    Parameters
    ----------
    history : dict of str to array-like of shape (n_epochs,)
        History such as `history_` of a fitted estimator: `train_loss`, `train_reconstruction`,
        `train_kl` and any other `train_` entries; with a validation split also `valid_` entries.

    Attributes
    ----------
    {axes}
    axes_ : ndarray of matplotlib Axes
        A panel for each quantity.
    lines_ : dict of str to matplotlib Line2D
        The curves, by their names in the history.
    best_lines_ : list of matplotlib Line2D
        The mark of the best epoch in each panel; empty without a validation split.

    See Also
    --------
    skvae.VAETransformer : Records the history.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import TrainingCurveDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = VAETransformer(n_components=2, max_epochs=5, random_state=0).fit(X)
    >>> display = TrainingCurveDisplay.from_estimator(vae)
    >>> sorted(display.lines_)
    ['train_kl', 'train_loss', 'train_reconstruction']
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, curve_kwargs=None):
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        {estimator}
        {ax}
        {curve_kwargs}
        {returns}
        """
        estimator = Opened(estimator).estimator
        check_is_fitted(estimator)
        return cls(estimator.history_).plot(ax, curve_kwargs=curve_kwargs)

    @classmethod
    def from_history(cls, history, *, ax=None, curve_kwargs=None):
        """Draw a history, such as that of an earlier fit.

        Parameters
        ----------
        history : dict of str to array-like of shape (n_epochs,)
            History such as `history_` of a fitted estimator.
        {ax}
        {curve_kwargs}
        {returns}
        """
        return cls(history).plot(ax, curve_kwargs=curve_kwargs)

    def plot(self, ax=None, *, curve_kwargs=None):
        """Draw the display.

        Parameters
        ----------
        {ax}
        {curve_kwargs}
        {returns}
        """
        terms = [name.removeprefix("train_") for name in self.history if name.startswith("train_")]
        if not terms:
            raise ValueError(
                "'history' has no entry whose name begins with 'train_', only "
                f"{list(self.history)}. Pass the history_ of a fitted estimator."
            )
        self.ax_ = axes_to_draw_on(ax, height=0.7 + 1.4 * len(terms))
        self.figure_ = self.ax_.figure
        self.axes_ = panels_within(self.ax_, len(terms), 1, sharex=True)[:, 0]
        self.lines_, self.best_lines_ = {}, []
        for panel, term in zip(self.axes_, terms, strict=True):
            self._draw_term(panel, term, curve_kwargs or {})
        self._mark_best_epoch()
        self.figure_.align_ylabels(self.axes_)
        self.axes_[-1].set_xlabel("epoch")
        if len(self.lines_) > len(terms):
            self.axes_[0].legend(frameon=False)
        return self

    def _draw_term(self, ax, term: str, curve_kwargs: dict) -> None:
        for part, label, colour in (
            ("train", "training", COLOURS[0]),
            ("valid", "validation", COLOURS[1]),
        ):
            values = self.history.get(f"{part}_{term}")
            if values is None:
                continue
            style = {"label": label, "color": colour, "marker": "o" if len(values) == 1 else None}
            epochs = np.arange(1, len(values) + 1)
            (self.lines_[f"{part}_{term}"],) = ax.plot(epochs, values, **style | curve_kwargs)
        ax.set_title(_TITLES.get(term, term), loc="left", fontsize="medium")
        ax.set_ylabel("nats per row")

    def _mark_best_epoch(self) -> None:
        losses = self.history.get("valid_loss")
        if losses is None or not np.isfinite(losses[-1]):  # the last fit had no validation split
            return
        best = int(np.nanargmin(losses)) + 1
        style = {"color": "black", "linestyle": ":", "label": f"best epoch: {best}"}
        self.best_lines_ = [panel.axvline(best, **style) for panel in self.axes_]
