"""The leaderboard: stored outcomes → a table with intervals → one static page."""
