"""The networks, written once with the published checkpoint's keys as attribute names."""
