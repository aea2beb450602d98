"""What a model would be trained, validated and tested on: facts, a table, a page."""
