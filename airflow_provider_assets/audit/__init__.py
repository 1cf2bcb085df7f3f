"""What has landed under a destination: compared with a listing, or verified and summed up alone."""
