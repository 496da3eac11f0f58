"""Where work on photos is done: in this process, or on a Ray cluster; each engine gives the same results."""
