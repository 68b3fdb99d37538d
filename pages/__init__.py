"""One thin script per question a user asks. No arithmetic, no SQL."""
