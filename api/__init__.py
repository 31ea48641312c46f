"""What people and systems see: the HTTP interface and the inspectors' console."""
