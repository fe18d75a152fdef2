"""The audit of the audit: its alarms on generated datasets whose truth is known."""
