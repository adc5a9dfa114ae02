"""The database schema: SQL files and the code that applies them."""
