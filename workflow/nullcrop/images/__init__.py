"""Views, resizing, hashes, and the packed store."""
