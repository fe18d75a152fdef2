"""From a file to RGB pixels."""
