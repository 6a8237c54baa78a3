"""The report: reads a run folder, and nothing else, and writes one HTML file that works offline."""
