"""Bytes: where blobs live. Knows neither the registry's rows nor any protocol spoken to clients."""
