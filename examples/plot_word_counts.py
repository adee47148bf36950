"""
Word counts: a map of texts
===========================

The descriptions of some 700 functions of SciPy, as a sparse matrix of word counts. A model with the
Poisson likelihood embeds them in two dimensions, in which the texts of each subpackage lie close
together.
"""

import inspect

import matplotlib.pyplot as plt
import numpy as np
from scipy import interpolate, linalg, ndimage, optimize, signal, stats
from sklearn.decomposition import LatentDirichletAllocation, TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from skvae import VAETransformer
from skvae.objectives import ELBO
from skvae.plotting import LatentSpaceDisplay

# %%
# Texts and counts
# ----------------
# Every public function with a description of at least 300 letters. The counts of the 400 most
# frequent words are a sparse matrix, which the model accepts as it is.

texts, packages, names = [], [], []
for package in (interpolate, linalg, ndimage, optimize, signal, stats):
    for name in package.__all__:
        function = getattr(package, name)
        text = inspect.getdoc(function) if callable(function) else None
        if text and len(text) >= 300:
            texts.append(text)
            packages.append(package.__name__.removeprefix("scipy."))
            names.append(name)
packages, names = np.array(packages), np.array(names)

words = CountVectorizer(
    stop_words="english", token_pattern="[a-z]{3,}", min_df=10, max_features=400
)
counts = words.fit_transform(texts)
share = counts.nnz / np.prod(counts.shape)
print(f"{counts.shape[0]} texts, {counts.shape[1]} words, {share:.0%} of the counts are not 0")

# %%
# A map
# -----
# With few words per text, the first and rough embeddings explain little, so that training could
# give them up. ``free_bits`` lets each dimension carry 0.1 nats at no cost, which prevents this.

vae = VAETransformer(
    n_components=2,
    likelihood="poisson",
    objective=ELBO(free_bits=0.1),
    max_epochs=40,
    random_state=0,
).fit(counts)
Z = vae.transform(counts)
LatentSpaceDisplay(Z, packages).plot()
plt.show()

# %%
# How well does the map separate the subpackages, whose names were not used? Accuracy of the five
# nearest neighbours, by cross-validation, beside other methods in two dimensions. TF-IDF divides
# counts by the frequency of the word:

svd, tfidf = TruncatedSVD(2, random_state=0), TfidfTransformer(sublinear_tf=True)
topics = LatentDirichletAllocation(2, random_state=0)
maps = {
    "SVD": svd.fit_transform(counts),
    "SVD of TF-IDF": make_pipeline(tfidf, svd).fit_transform(counts),
    "topics (LDA)": topics.fit_transform(counts),
    "VAE": Z,
}
for name, points in maps.items():
    accuracy = cross_val_score(KNeighborsClassifier(5), points, packages, cv=5).mean()
    print(f"{name:<13}  accuracy {accuracy:.3f}")

# %%
# Two dimensions are for the eye. If the dimensions may be many, the SVD of TF-IDF is good enough:

tfidf_8 = make_pipeline(tfidf, TruncatedSVD(8, random_state=0)).fit_transform(counts)
accuracy = cross_val_score(KNeighborsClassifier(5), tfidf_8, packages, cv=5).mean()
print(f"SVD of TF-IDF, 8 dimensions  accuracy {accuracy:.3f}")

# %%
# Similar texts
# -------------
# The functions whose descriptions are nearest to those of four others:

labels = [f"{package}.{name}" for package, name in zip(packages, names, strict=True)]
for label in ("signal.butter", "optimize.minimize", "stats.norm", "linalg.qr"):
    nearest = np.linalg.norm(Z - Z[labels.index(label)], axis=1).argsort()[1:5]
    print(f"{label}: {', '.join(labels[i] for i in nearest)}")
