"""Decoding, views, resizing, and the packed store."""
