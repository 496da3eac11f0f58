"""What comes from outside and what goes out: parameters, files, interrupts, progress, JSON, CSV, LaTeX, terminals."""
