"""The faces: a protocol in, a registry call, a protocol out; and the command that serves them."""
