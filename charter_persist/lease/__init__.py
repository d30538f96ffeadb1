"""Leases that are kept alive, what ends the others, and the election of a leader by them."""
