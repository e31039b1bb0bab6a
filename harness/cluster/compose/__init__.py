"""Clusters of Docker Compose that somebody else wrote: their containers are nodes, their servers are not quorate's."""
