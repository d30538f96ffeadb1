"""Watching a store: the journal, read on as it grows, joined with the values that repositories still hold."""
