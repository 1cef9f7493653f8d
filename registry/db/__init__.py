"""Rows: the schema, the engines, transactions. The only package that knows SQLAlchemy and the drivers."""
