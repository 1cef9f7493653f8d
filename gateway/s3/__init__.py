"""The S3 face: Amazon S3's protocol in, a registry call, Amazon S3's protocol out."""
