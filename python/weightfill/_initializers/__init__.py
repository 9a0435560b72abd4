"""Initializers: what to draw."""
