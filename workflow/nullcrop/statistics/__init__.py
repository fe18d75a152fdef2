"""What may be concluded from saved predictions: metrics of a cell, and tables of many."""
