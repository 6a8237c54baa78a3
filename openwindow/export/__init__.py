"""What is sent elsewhere when a run is over: its numbers to a tracker, its adapter and data to a hub.

Each tracker is a module with `write(exported, target, say)`, which imports the tracker's own library when it is called.
"""
