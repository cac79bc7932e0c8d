"""What the pages ask for beside themselves: shipped here, nothing from elsewhere."""
