"""The domain: repositories, files, packages, and what may happen to them. Knows no HTTP and no vendor SDK."""
