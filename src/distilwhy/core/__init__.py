"""What distilwhy knows, without a file, a network, a clock, an environment or torch."""
