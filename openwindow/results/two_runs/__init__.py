"""Two runs compared: what differs between them, what both have, and the same statistics on it as within a study."""
