"""From journals to tables."""
