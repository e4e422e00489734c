"""The stages of a run: supervised fine-tuning, feedback, alignment, evaluation; each file owns its config."""
