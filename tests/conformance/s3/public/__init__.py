"""The public suite ceph/s3-tests, run unmodified from its own checkout, and what came of it."""
