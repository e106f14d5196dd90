"""A data set that is drawn: figures with annotations for every task."""
