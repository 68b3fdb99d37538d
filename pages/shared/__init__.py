"""What several pages share: the sidebar's selection, loading of data, states without data."""
