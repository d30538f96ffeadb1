"""The governance engine: `Charter`, its verbs and its queries, over any store."""
