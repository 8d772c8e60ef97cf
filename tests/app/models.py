"""Models of every kind that signals treat differently."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models

from django_redis_bus.querysets import PublishingManager


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


class Parcel(models.Model):
    """Written by the thousand, through a manager that publishes."""

    customer = models.ForeignKey(Customer, on_delete=models.SET_NULL, null=True, related_name="parcels")
    status = models.CharField(max_length=20, default="new")
    weight = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    slot = models.IntegerField(null=True, unique=True)
    label = models.FileField(upload_to="labels", blank=True)
    tags = models.ManyToManyField(Tag, related_name="parcels")
    seen = models.IntegerField(db_default=7)
    seal = models.BinaryField(default=b"")

    objects = PublishingManager()
    plain = models.Manager()  # noqa: DJ012, which takes it for a field

    class Meta:
        ordering = ["-id"]


class Express(Parcel):
    """A multi-table child."""

    courier = models.CharField(max_length=50)


class Letter(Parcel):
    """A proxy."""

    class Meta:
        proxy = True


class Stamp(models.Model):
    """Goes when its parcel goes."""

    parcel = models.ForeignKey(Parcel, on_delete=models.CASCADE, related_name="stamps")
    value = models.IntegerField(default=1)

    objects = PublishingManager()


class Notice(models.Model):
    """Told of by nobody, through a manager that could."""

    text = models.CharField(max_length=100)

    objects = PublishingManager()


class Counted(models.Model):
    """Saves in its own way."""

    class Meta:
        abstract = True

    def save_base(self, *args: Any, **kwargs: Any) -> None:
        self.saved_by = (*getattr(self, "saved_by", ()), "Counted")
        super().save_base(*args, **kwargs)


class Ledger(Counted):
    text = models.CharField(max_length=100)


class Diary(Counted):
    text = models.CharField(max_length=100)

    def save_base(self, *args: Any, **kwargs: Any) -> None:
        self.saved_by = (*getattr(self, "saved_by", ()), "Diary")
        super().save_base(*args, **kwargs)
