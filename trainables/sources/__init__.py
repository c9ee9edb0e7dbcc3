"""Where images and labels come from, one room a format. Knows neither the cache nor the rest of a trial."""
