"""The command line, one thin file a command: parse → call → render."""

from stillwatch.cli.app import app, main

__all__ = ["app", "main"]
