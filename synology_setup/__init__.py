"""Set-up from the developer's machine: builds the agent's one file, which goes to the NAS."""
