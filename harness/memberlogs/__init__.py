"""What the members' own logs say of a run: joined with each other and with the history, told, and used to settle."""
