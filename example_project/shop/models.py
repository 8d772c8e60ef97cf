"""What the shop knows: its orders, and what each department made of the events about them."""

from __future__ import annotations

from django.db import models

from django_redis_bus.querysets import PublishingManager


class Customer(models.Model):
    name = models.CharField(max_length=100)
    email = models.EmailField(blank=True)

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """Its saves are events; see PUBLISHERS in settings.py."""

    class Status(models.TextChoices):
        CREATED = "created"
        PAID = "paid"
        SHIPPED = "shipped"
        CANCELLED = "cancelled"

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="orders")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.CREATED)
    total = models.DecimalField(max_digits=9, decimal_places=2, default=0)
    note = models.TextField(blank=True, help_text="For the staff. It is in no event.")
    created_at = models.DateTimeField(auto_now_add=True)

    # Django sends no signals for update() and bulk_create(). With this manager they are events, too.
    objects = PublishingManager()

    class Meta:
        base_manager_name = "objects"  # also for what Django itself updates, such as in customer.orders.add()

    def __str__(self) -> str:
        return f"#{self.pk}"


class OrderLine(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=9, decimal_places=2)
    pieces = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.pieces} × {self.product}"


class Effect(models.Model):
    """What one handler did about one event."""

    # For the record. That there are no two of an event is up to `idempotent=True` in handlers.py.
    event_id = models.CharField(max_length=200, db_index=True)
    # A number and no foreign key: what was done stays on record when the order is deleted.
    order_number = models.PositiveBigIntegerField(db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True


class Invoice(Effect):
    """By billing."""

    reference = models.CharField(max_length=40)
    amount = models.DecimalField(max_digits=9, decimal_places=2)
    attempts = models.PositiveIntegerField(help_text="How many attempts the payment gateway took.")

    def __str__(self) -> str:
        return self.reference


class StockMove(Effect):
    """By the stock department: a ledger, to which it only ever adds."""

    class What(models.TextChoices):
        RESERVED = "reserved"
        PICKED = "picked"
        SENT = "sent"
        PUT_BACK = "put back"

    what = models.CharField(max_length=10, choices=What.choices)
    pieces = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.pieces} {self.what}"


class Mail(Effect):
    """By the mail department. A row is all that is sent."""

    event_id = models.CharField(max_length=200, unique=True)
    to = models.EmailField()
    subject = models.CharField(max_length=200)

    class Meta:
        verbose_name_plural = "mail"

    def __str__(self) -> str:
        return self.subject


class OrderChange(Effect):
    """By statistics: every change of every order."""

    what = models.CharField(max_length=10)
    total = models.DecimalField(max_digits=9, decimal_places=2)

    def __str__(self) -> str:
        return f"#{self.order_number} {self.what}"


class Login(models.Model):
    """By security: who came into the admin."""

    event_id = models.CharField(max_length=200)
    username = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.username
