"""What `make bench` runs: our times as ratios against named references measured in the same run."""
