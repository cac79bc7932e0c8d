"""Events between services: what they say, the log they travel on, and the two ends that lose nothing."""
