"""Curves, tables and names of runs: what people read afterwards."""
