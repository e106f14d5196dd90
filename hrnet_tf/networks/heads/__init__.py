"""Feature maps to raw outputs, one module for each kind of output."""
