"""Carrying a whole store to another place, or its content to another store."""
