"""What the members' own logs say of a run: joined with each other and with the history, explained, used to settle."""
