"""What a deployment decides: the configuration file as frozen values."""
