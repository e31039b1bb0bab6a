"""What operators do to etcd: members, maintenance, disks."""
