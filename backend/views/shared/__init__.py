"""What several topics share: style, intervals, numbers as text, blocks of a report."""
