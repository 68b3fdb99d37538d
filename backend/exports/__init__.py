"""What can be taken away: reports, tables and vectors as files that open without Steerscope."""
