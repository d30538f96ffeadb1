"""Side by side with the bare drivers: `python -m benchmarks` prints the table."""
