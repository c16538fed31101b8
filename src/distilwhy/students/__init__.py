"""Small models: built, trained, used, saved."""
