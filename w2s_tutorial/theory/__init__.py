"""Closed forms, one paper per module. They see a problem and never the simulation."""
