"""Figures and pages that the tests of explore, svg and pictures share."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from w2s_tutorial.figures import grids, looks, pictures, plots


def table(shift=0.0):
    rows = [
        {"n_pool": n, "role": role, "mean": mean, "low": mean - 0.02, "high": mean + 0.02}
        for i, role in enumerate(looks.ROLES)
        for n in (50, 100, 400)
        for mean in [0.6 + 0.05 * i + n / 4000 + shift]
    ]
    return pd.DataFrame(rows)


def against(shift=0.0):
    fig, ax = plt.subplots(figsize=(6, 4))
    ax.set(xlim=(0, 450), ylim=(0.5, 1))
    plots.curves(ax, table(shift), "n_pool", "accuracy", levels={"chance": 0.55})
    return fig


def predicted():
    fig, ax = plt.subplots(figsize=(6, 5))
    rows = table().assign(predicted=table()["mean"])
    words = {"x_label": "predicted", "y_label": "measured", "series": "role", "line": "equal"}
    plots.scatter(ax, rows, "predicted", "mean", **words)
    return fig


def groups():
    fig, ax = plt.subplots(figsize=(6, 4))
    one = table().rename(columns={"n_pool": "group"})
    one.loc[0, ["mean", "low", "high"]] = np.nan
    grids.dots(ax, one, "accuracy", rows="group", series="role")
    return fig


def roles(highlight=None):
    fig, ax = plt.subplots()
    pictures.four_roles(ax, highlight=highlight)
    return fig


def images():
    fig, ax = plt.subplots(figsize=(6, 3.4))
    pixels = np.random.default_rng(0).random((8, 3, 8, 8))
    pictures.image_grid(ax, pixels, [f"class {i}" for i in range(8)])
    return fig


KINDS = {"against": against, "predicted": predicted, "groups": groups, "roles": roles}
KINDS |= {"highlight": lambda: roles("student"), "images": images}

INK = {"light": "#222832", "dark": "#ced6dd"}
PAPER = {"light": "#ffffff", "dark": "#14181e"}


def page(*outputs, theme="light"):
    """A page in the colours of the book's theme and in a font as wide as any that readers have."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>figures</title>"
        '<meta name=viewport content="width=device-width">'
        f"<style>body{{margin:16px;font-family:Verdana,'DejaVu Sans',sans-serif;color:{INK[theme]};"
        f"--pst-color-background:{PAPER[theme]};background:{PAPER[theme]}}}</style>"
        "<body><main><h1>Figures</h1>"
        f"{''.join(o._repr_html_() for o in outputs)}</main></body></html>"
    )
