"""Data: the embedded set, downloads that are verified, loaders, and builders of imbalanced sets."""
