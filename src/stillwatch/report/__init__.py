"""Findings → what people read: a dossier as one HTML page, and a table in the terminal."""

from stillwatch.report.clean import clean
from stillwatch.report.html import render_html
from stillwatch.report.levels import Disclosure, disclosure
from stillwatch.report.power import render_power_page, render_power_text
from stillwatch.report.prices import load_prices
from stillwatch.report.signoff import load_signoffs
from stillwatch.report.text import render_text

__all__ = ["Disclosure", "clean", "disclosure", "load_prices", "load_signoffs", "render_html",
           "render_power_page", "render_power_text", "render_text"]
