"""What multipathd decides: path checking, reinstatement, failback, queueing. Events in, commands out."""
