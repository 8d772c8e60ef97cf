"""The machinery behind `manage.py demo`. The shop itself, and all there is to learn of the bus, is in `shop`."""
