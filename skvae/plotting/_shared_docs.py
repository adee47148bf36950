"""Parameters that several displays share, documented once and written into each docstring."""

from __future__ import annotations

import inspect
import re
import textwrap

_PLACEHOLDER = re.compile(r"^( *)\{(\w+)\}$", re.MULTILINE)  # alone on its line

_ENTRIES = {
    "estimator": """\
estimator : VAETransformer, VAEAnomalyDetector or Pipeline
    Fitted estimator, or a :class:`~sklearn.pipeline.Pipeline` that ends in one and whose
    earlier steps transform the rows.""",
    "detector": """\
estimator : VAEAnomalyDetector or Pipeline
    Fitted detector, or a :class:`~sklearn.pipeline.Pipeline` that ends in one and whose
    earlier steps transform the rows.""",
    "imputer": """\
estimator : VAEImputer or Pipeline
    Fitted imputer, or a :class:`~sklearn.pipeline.Pipeline` that ends in one and whose
    earlier steps transform the rows.""",
    "rows": """\
kind : {"auto", "image", "table"}, default="auto"
    Whether the rows are images or rows of a table. The rule of "auto" is in the Notes of
    :class:`ReconstructionDisplay`.
image_shape : tuple of (height, width) or (height, width, 3), default=None
    Shape of the images; None assumes square greyscale images.
features : list of int or str, default=None
    Features of a table to show, by index or name; None shows %s.
feature_names : array-like of str of shape (n_features,), default=None
    Names of the features of a table; None takes those of the data frame or the estimator,
    else "x0", "x1", ….""",
    "curve_kwargs": """\
curve_kwargs : dict, default=None
    Keywords for :meth:`matplotlib.axes.Axes.plot`, for every curve.""",
    "scatter_kwargs": """\
scatter_kwargs : dict, default=None
    Keywords for :meth:`matplotlib.axes.Axes.scatter`, such as ``{"s": 20}``.""",
    "projection": """\
projection : {"pca", "tsne", "umap"} or transformer, default="pca"
    Map of more than two latent dimensions to two: the first principal components;
    :class:`~sklearn.manifold.TSNE`; UMAP, if the package umap-learn is installed; or an
    object with the method `fit_transform`. t-SNE and UMAP keep neighbours together, but
    distances between groups have no meaning, and large data take minutes.""",
    "ax": """\
ax : matplotlib Axes, default=None
    Axes to draw on, which several panels divide among them; None makes a new figure.""",
    "returns": """
Returns
-------
display : %s
    The display, drawn.""",
    "axes": """\
ax_ : matplotlib Axes
    Axes with the picture, or the frame of its panels.
figure_ : matplotlib Figure
    Figure of the axes.""",
}


def share_docs(default_features: str = ""):
    """Return a decorator that replaces each ``{name}`` line in the docstrings of a display.

    `default_features` completes the sentence on the features that ``features=None`` shows.
    """

    def decorate(cls: type) -> type:
        details = {"rows": default_features, "returns": cls.__name__}

        def entry(placeholder: re.Match) -> str:
            indent, name = placeholder.groups()
            text = _ENTRIES[name]
            return textwrap.indent(text % details[name] if name in details else text, indent)

        own = (getattr(cls, name) for name in vars(cls))
        for documented in (cls, *filter(inspect.isroutine, own)):
            function = getattr(documented, "__func__", documented)  # of a class method
            if function.__doc__:  # None under python -OO
                function.__doc__ = _PLACEHOLDER.sub(entry, function.__doc__)
        return cls

    return decorate
