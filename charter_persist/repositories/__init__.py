"""One class a store; every invariant of that store lives here, once."""
