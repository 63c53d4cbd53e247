"""The structure that the code keeps to."""
