"""Typed values over keys: encodings by prefix, schemas by pattern, numbered migrations of values.

The store keeps bytes and does not look into them; all of this is above it. Source: KV-6, univrs-storage.
"""
