"""Models of every kind that signals treat differently."""

from __future__ import annotations

import uuid

from django.db import models


class Tag(models.Model):
    name = models.CharField(max_length=50)


class Customer(models.Model):
    name = models.CharField(max_length=100)
    email = models.EmailField(blank=True)


class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, null=True, related_name="orders")
    status = models.CharField(max_length=20, default="new")
    total = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    placed_at = models.DateTimeField(null=True)
    invoice = models.FileField(upload_to="invoices", blank=True)
    tags = models.ManyToManyField(Tag, related_name="orders")
    extra = models.JSONField(default=dict)


class OrderLine(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    sku = models.CharField(max_length=50)
    count = models.PositiveIntegerField(default=1)


class RushOrder(Order):
    """A proxy: the same table under another name."""

    class Meta:
        proxy = True


class GiftOrder(Order):
    """A multi-table child: a row here and one in Order."""

    message = models.CharField(max_length=200)
    ribbons = models.ManyToManyField(Tag, related_name="gifts")


class Ticket(models.Model):
    """A primary key that Python makes, so it is there before the row is."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=100)


class Secret(models.Model):
    """What must not reach an event unless it is asked for."""

    owner = models.ForeignKey(Customer, on_delete=models.CASCADE)
    token = models.CharField(max_length=100)


class Product(models.Model):
    """A primary key with a meaning, and a column that the database works out."""

    sku = models.CharField(max_length=20, primary_key=True)
    stock = models.IntegerField(default=0)
    reserved = models.IntegerField(default=0)
    available = models.GeneratedField(
        expression=models.F("stock") - models.F("reserved"),
        output_field=models.IntegerField(),
        db_persist=True,
    )


class Seat(models.Model):
    """A primary key of two columns."""

    pk = models.CompositePrimaryKey("row", "number")
    row = models.CharField(max_length=2)
    number = models.PositiveIntegerField()
    taken = models.BooleanField(default=False)
