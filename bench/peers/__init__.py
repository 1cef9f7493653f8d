"""The servers that are measured, a file each."""
