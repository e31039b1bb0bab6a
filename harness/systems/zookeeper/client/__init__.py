"""The client of ZooKeeper: its capabilities, with honest outcomes."""
