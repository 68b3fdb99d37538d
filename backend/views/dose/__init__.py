"""What the Dose-response page and its command share."""
