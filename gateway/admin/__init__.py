"""The registry over REST, under /api/v1. `openapi.yaml` is the contract; a file per resource keeps it."""
