"""The command line: one file per verb in this folder; each parses, calls and prints."""
