"""One run: its stages, the job as Hydra starts it, and Lightning's trainer for it."""
