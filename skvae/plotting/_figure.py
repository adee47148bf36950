"""What displays share: the axes to draw on, and colours that the colour-blind tell apart."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

# Okabe & Ito (2008); the first two are the pair that differs most
INLIER_COLOUR, OUTLIER_COLOUR = "#0072B2", "#D55E00"


def axes_to_draw_on(ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    """Return the axes given, or those of a new figure of this size in inches."""
    if ax is not None:
        return ax
    return plt.subplots(figsize=figsize, layout="constrained")[1]
