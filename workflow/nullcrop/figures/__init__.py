"""Figures: tables and images in, three files out."""
