"""What openwindow adds to other trainers, one module per trainer; each needs that trainer's library."""
