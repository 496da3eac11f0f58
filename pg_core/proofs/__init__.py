"""Certificates as files that others can check without this program (theory §13): format.md says what is in them."""
