"""Derived indexes: rebuilt from objects, moved by committed journal entries, swapped whole, never persisted."""
