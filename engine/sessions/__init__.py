"""Trading calendars: when a market is open, which trading day a moment belongs to, when that changes next."""

from engine.sessions.calendar import AlwaysOpen, Calendar, SessionCalendar, UnknownCalendar, calendar, names

__all__ = ["AlwaysOpen", "Calendar", "SessionCalendar", "UnknownCalendar", "calendar", "names"]
