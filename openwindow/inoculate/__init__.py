"""`openwindow inoculate`: from the user's own data to ranked prompts, trained arms and a recommendation."""
