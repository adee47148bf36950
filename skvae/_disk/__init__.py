"""How files are written, whatever they hold."""
