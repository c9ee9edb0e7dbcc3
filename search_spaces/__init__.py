"""What may vary: factors, levels, nuisance ranges, named spaces. No torch, no Ray."""
