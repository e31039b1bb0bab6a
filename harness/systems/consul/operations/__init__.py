"""What operators do to Consul: members, maintenance, disks."""
