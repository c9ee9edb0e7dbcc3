"""Image files listed in a CSV file or sorted into folders."""
