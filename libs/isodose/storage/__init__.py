"""The one schema every service keeps in its own database, on SQLite or PostgreSQL."""
