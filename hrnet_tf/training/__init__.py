"""Runs: configured, trained, judged, looked at; the same for every task."""
