"""Configuration: its run-wide fields, its checks, and how it becomes objects."""
