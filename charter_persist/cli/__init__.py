"""The `charter` command: what a person or a script does with a store without writing a program.

Stands on top of everything and is imported by nothing. Each command is a few lines: open, call, print.

Source: DESIGN 3 (command line).
"""
