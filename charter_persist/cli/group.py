"""A group of commands that keeps its order."""

from __future__ import annotations

import click


class OrderedGroup(click.Group):
    """A group whose help lists the commands in the order they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands."""
        return list(self.commands)
