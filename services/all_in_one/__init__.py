"""Every service in one process, on SQLite files and the embedded log; and the command `isodose`."""
