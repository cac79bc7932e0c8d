"""The words every decision is written in. Pure: no I/O, no clock, no environment, no logging."""
