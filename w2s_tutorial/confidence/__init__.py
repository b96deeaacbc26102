"""Confidence retraining: keep what the student is sure of, forgive what it still disbelieves.

`selection` says which examples are kept and whom that favours, `retrain` fits the remedy for a
whole grid of settings at once, `compare` sets its variants side by side, `estimator` takes two
feature matrices and labels.
"""
