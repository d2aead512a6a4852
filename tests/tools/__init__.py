"""The tutorial's own tools: launcher, mutants, this suite."""
