"""The EHR tells what changed: notifications are taken, what they name is read, what was missed is found."""
