"""Figures: plots of finished tables, pictures, and their accessible form on a page."""
