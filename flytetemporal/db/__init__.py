"""Postgres: declarative base, sessions, filters, migrations."""
