"""Findings → what people read: a dossier as one HTML page, and a table in the terminal."""

from stillwatch.report.clean import clean
from stillwatch.report.html import render_html
from stillwatch.report.text import render_text

__all__ = ["clean", "render_html", "render_text"]
