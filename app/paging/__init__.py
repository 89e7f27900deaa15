"""Paging: alarms reach a person through a program of his own, also when nobody sits at a screen."""
