"""The workstation screen: it looks at snapshots and sends commands through one link, and knows no more."""

from app.desk.environment import tame

# Before anything below imports Textual, which reads its variables once, at import.
tame()
