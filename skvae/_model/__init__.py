"""The module that joins the four choices, and its evaluation over many rows."""
