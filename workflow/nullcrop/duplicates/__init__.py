"""Images that occur more than once, and what of a test part the training part has seen."""
