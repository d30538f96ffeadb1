"""The spine: entries, the Merkle tree over them, checkpoints."""
