"""The networks' layers, one kind a module."""
