"""Pictures of graphs: what stands in them, where it goes, and how it is written. Nothing but the standard library."""
