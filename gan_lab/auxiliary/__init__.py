"""Auxiliary terms: what a player learns beside the adversarial loss, with a head of its own where it needs one."""
