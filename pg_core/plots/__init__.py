"""Figures for papers and slides, by matplotlib."""
