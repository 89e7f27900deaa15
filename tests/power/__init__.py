"""The power goes at any moment: what the journal had acknowledged is there afterwards."""
