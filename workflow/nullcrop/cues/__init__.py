"""Where in the image the class is read, and what is read."""
