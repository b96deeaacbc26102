"""Whole networks: backbones, their training, and the features that they leave behind."""
