"""What happens between rounds: logs, evaluation, samples, checkpoints, limits."""
