"""Programs that show what stores of keys promise under load and kills, each with a control that has to be caught.

``python -m tests.rounds`` runs them in full and prints the table of docs/reference/correctness.md; the tests run each
on a small scale. A program knows a store by its URL and uses nothing but its public calls.
"""
