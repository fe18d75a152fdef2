"""Published numbers against counts, arithmetic and our results."""
