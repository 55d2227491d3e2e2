"""What `pulumi up` creates: one component a file, settings.py in front."""
