"""The demonstration: 736 real proposals with their whole history, decided, reopened, verified, summed up.

What stands in the record is in ``peps``, what becomes of it in ``recording``: commits as units of work, areas in
``areas``, acceptances as ``decision``. What is read back is in ``summary``.
"""
