"""
A synthetic copy of a table
===========================

Customers of a shop: text, dates, yes or no, whole numbers, and amounts of money that are often
zero. A model of the table draws new customers, also those of a kind that you ask for, and the
quality of the copy is measured.
"""

import matplotlib.pyplot as plt

from skvae import VAETransformer
from skvae.datasets import make_customers
from skvae.metrics import table_quality
from skvae.plotting import LatentSpaceDisplay, TableQualityDisplay

# %%
# Data
# ----
# The table is invented, but has the habits of real ones: students are young, customers with a
# subscription order more often, those without orders spend nothing, and few send anything back.
# Your own table would come from ``pd.read_csv("customers.csv", parse_dates=["joined"])``.

customers = make_customers(4000, random_state=0)
train, held_out = customers[:3000], customers[3000:].reset_index(drop=True)
print(train.head().to_string())

# %%
# New customers
# -------------
# The frame goes in as it is, and a frame comes back, with the same columns, types and decimals.
# Half the default number of epochs keeps this page fast.

vae = VAETransformer(max_epochs=25, random_state=0).fit(train)
copy = vae.sample(len(train), random_state=0)
print(copy.head().to_string())

# %%
# How good is the copy?
# ---------------------
# The first two scores compare columns and pairs of columns. The next is 1 if a classifier cannot
# tell drawn rows from real ones. Then a model learns from the copy whether a customer subscribed,
# and is tested on real customers; one that learns from the real rows shows what can be reached. The
# last score would be far above a half if training rows had been memorised.

quality = table_quality(train, copy, target="subscribed", holdout=held_out, random_state=0)
print(f"columns           {quality.shape:.2f}")
print(f"pairs of columns  {quality.trend:.2f}")
print(f"rows              {quality.c2st:.2f}")
print(f"AUROC learned from the copy {quality.tstr:.2f}, from the real rows {quality.trtr:.2f}")
print(f"nearer to training rows     {quality.dcr_share:.2f}")

# %%
# Real rows are blue and drawn ones orange; below are the associations between columns:

TableQualityDisplay.from_tables(train, copy)
plt.show()

# %%
# Customers of a kind
# -------------------
# What do retired customers with a subscription spend? ``given`` fixes columns, and the others are
# drawn from the model given these values:

kind = {"occupation": "retired", "subscribed": True}
drawn = vae.sample(500, given=kind, random_state=0)
real = train[(train["occupation"] == "retired") & train["subscribed"]]
for name in ("orders", "spent"):
    print(f"median {name:<6}  real {real[name].median():.1f}, drawn {drawn[name].median():.1f}")

# %%
# A map
# -----
# The posterior means of the rows are numbers that other methods can use. Their first two principal
# components, coloured by a column of text:

LatentSpaceDisplay.from_estimator(vae, train, train["occupation"])
plt.show()

# sphinx_gallery_thumbnail_number = 2
