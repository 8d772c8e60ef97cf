"""What the outbox's benchmarks save, and the table of a hand-written outbox."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    """What is saved: an ordinary small model."""

    number = models.CharField(max_length=40)
    status = models.CharField(max_length=20, default="new")
    customer = models.IntegerField()
    total = models.DecimalField(max_digits=10, decimal_places=2)
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.number


class Other(models.Model):
    """A model that has a publisher, while Order is saved."""

    number = models.CharField(max_length=40)

    def __str__(self) -> str:
        return self.number


class Waiting(models.Model):
    """The least an outbox by hand needs: ids and bytes."""

    id = models.BigAutoField(primary_key=True)
    data = models.BinaryField()

    def __str__(self) -> str:
        return str(self.pk)
