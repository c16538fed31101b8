"""Wire formats: what each kind of endpoint is sent, and how its replies are read."""
