"""The faces of artifact-store: a protocol in, a registry call, a protocol out."""
