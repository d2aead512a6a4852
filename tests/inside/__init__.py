"""What our own steps do inside: rows, log, settings, commands, wording."""
