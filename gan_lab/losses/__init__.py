"""Losses: functions of logits, and the classes that configuration names."""
