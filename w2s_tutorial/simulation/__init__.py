"""Exact simulation, one module per theory. It sees a problem and never the theory."""
