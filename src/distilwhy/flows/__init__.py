"""The verbs: each joins the core to the edges."""
