from charter_persist.testing.assertions import contents, nothing_written, refused

__all__ = ["contents", "nothing_written", "refused"]
