"""The display of how training went."""

from __future__ import annotations

import numpy as np

from skvae._validation import check_is_fitted
from skvae.plotting._figure_layout import COLOURS, axes_to_draw_on, panels_within

_TITLES = {
    "loss": "loss: lower is better",
    "reconstruction": "reconstruction, E[log p(x|z)]: higher is better",
    "kl": "KL(q(z|x) ‖ p(z)): distance from the prior",
}


class TrainingCurveDisplay:
    """Loss, reconstruction and KL divergence over the epochs, in nats per row.

    Where there was a validation split it is drawn beside the training rows, and the epoch of its
    lowest loss, to which early stopping returns, is marked.

    Parameters
    ----------
    history : dict of str to array-like of shape (n_epochs,)
        Such as the `history_` of a fitted estimator: `train_loss`, `train_reconstruction`,
        `train_kl`, and whatever else begins with `train_`; the same with `valid_`, if at all.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Frame of the panels.
    axes_ : ndarray of matplotlib Axes
        A panel for each quantity.
    figure_ : matplotlib Figure
        Figure of the axes.
    lines_ : dict of str to matplotlib Line2D
        The curves, by their names in the history.
    best_lines_ : list of matplotlib Line2D
        The mark of the best epoch in each panel; empty without a validation split.

    See Also
    --------
    skvae.VAETransformer : Where the history comes from.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import TrainingCurveDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = VAETransformer(n_components=2, max_epochs=5, random_state=0).fit(X)
    >>> display = TrainingCurveDisplay.from_estimator(vae)
    >>> sorted(display.lines_)
    ['train_kl', 'train_loss', 'train_reconstruction']
    >>> plt.close(display.figure_)
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, curve_kwargs=None):
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : VAETransformer or VAEAnomalyDetector
            Fitted.
        ax : matplotlib Axes, default=None
            Axes whose place the panels take; None makes a figure.
        curve_kwargs : dict, default=None
            For :meth:`matplotlib.axes.Axes.plot` of every curve.

        Returns
        -------
        display : TrainingCurveDisplay
            With what was drawn.
        """
        check_is_fitted(estimator)
        return cls(estimator.history_).plot(ax, curve_kwargs=curve_kwargs)

    @classmethod
    def from_history(cls, history, *, ax=None, curve_kwargs=None):
        """Draw a history, such as one that was kept from an earlier fit.

        Parameters
        ----------
        history : dict of str to array-like of shape (n_epochs,)
            As the `history_` of an estimator.
        ax : matplotlib Axes, default=None
            Axes whose place the panels take; None makes a figure.
        curve_kwargs : dict, default=None
            For :meth:`matplotlib.axes.Axes.plot` of every curve.

        Returns
        -------
        display : TrainingCurveDisplay
            With what was drawn.
        """
        return cls(history).plot(ax, curve_kwargs=curve_kwargs)

    def plot(self, ax=None, *, curve_kwargs=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes whose place the panels take; None makes a figure.
        curve_kwargs : dict, default=None
            For :meth:`matplotlib.axes.Axes.plot` of every curve.

        Returns
        -------
        self : TrainingCurveDisplay
            With `ax_`, `axes_`, `figure_`, `lines_` and `best_lines_` set.
        """
        terms = [name.removeprefix("train_") for name in self.history if name.startswith("train_")]
        if not terms:
            raise ValueError(
                f"'history' has no entry that begins with 'train_', only {list(self.history)}. "
                "Pass the history_ of a fitted estimator."
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
