"""Treatment of an adverse radiation effect: what the entries say, and the options as they stand."""
