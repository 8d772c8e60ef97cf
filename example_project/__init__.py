"""A small shop that shows what django_redis_bus does. Start with shop/topics.py, shop/handlers.py and settings.py."""
