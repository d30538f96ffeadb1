"""The demonstration: 736 real decisions with their whole history, recorded, reopened, verified, summed up.

What stands in the record is in ``peps``, what becomes of it in ``recording``, what is read back in ``summary``.
"""
