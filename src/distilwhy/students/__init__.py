"""Small models: built, trained, asked, saved. The only place that knows torch."""
