"""What all faces share of HTTP."""
