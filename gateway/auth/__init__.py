"""Who is calling: signatures, presigned URLs and signed payloads. Never what the caller may do."""
