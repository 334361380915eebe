"""Where the records of a run go: metrics.jsonl always, tracking services by choice."""
