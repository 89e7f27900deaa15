"""The drill's cases, one file for each kind of trouble; `app.drill.agenda` puts them in order."""
