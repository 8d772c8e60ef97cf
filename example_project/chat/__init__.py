"""The staff's chat: rooms in the browser, and nothing on the server but a topic and who may use it."""
