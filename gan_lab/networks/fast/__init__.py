"""Layers that compute on a CPU what torch's do, faster, and the pass that puts them into a network."""
