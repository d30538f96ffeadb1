"""The kinds of store: one for ledgers, and one for each kind of backend that carries a single store."""
