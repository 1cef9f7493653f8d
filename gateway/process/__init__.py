"""How the server runs: listening sockets, a parent that supervises, workers that serve."""
