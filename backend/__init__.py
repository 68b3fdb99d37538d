"""Everything in Steerscope that is not a widget. See docs/architecture.md for the layers."""
