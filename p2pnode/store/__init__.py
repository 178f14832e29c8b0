"""Persistence: tables, migrations, one writer, reads."""
