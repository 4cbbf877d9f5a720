"""causaldisc.leaderboard."""
