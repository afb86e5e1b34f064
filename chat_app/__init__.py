"""A person <-> a request: the page in the browser. A leaf: deleting this folder breaks no other package."""
