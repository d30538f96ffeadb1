"""The sync classes for asyncio, one module for each of theirs. Made by `tools/make_async_facade.py`."""
