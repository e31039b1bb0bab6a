"""What operators do to ZooKeeper: members, maintenance, disks."""
