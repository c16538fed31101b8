"""What distilwhy does, one module for each verb."""
