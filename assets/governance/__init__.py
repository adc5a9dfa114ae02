"""Records that governance asks for: new sources of personal data, and who has looked at them."""
