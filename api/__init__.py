"""HTTP: what the service says and hears. Rules live in the domain; this room only translates."""
