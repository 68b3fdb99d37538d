"""What pages and the command line read: frozen values out of published files."""
