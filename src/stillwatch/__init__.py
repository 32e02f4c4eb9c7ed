"""Stillwatch finds, proves and stops unauthorised distillation of language models."""

__version__ = "0.1.0.dev0"

__all__ = ["__version__"]
