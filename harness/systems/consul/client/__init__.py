"""The client of Consul: its capabilities, with honest outcomes."""
