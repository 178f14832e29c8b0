"""Changes of the tables, oldest first; run by `database.upgrade`."""
