"""Change an order's status here and see on the page what the departments make of it."""

# Django's own admin classes take no type arguments at run time.
# mypy: disable-error-code="type-arg"

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from .models import Customer, Invoice, Login, Mail, Order, OrderChange, OrderLine, StockMove
from .orders import ship


class OrderLines(admin.TabularInline):
    model = OrderLine
    extra = 1


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ["__str__", "customer", "status", "total", "created_at"]
    list_filter = ["status"]
    inlines = [OrderLines]
    actions = ["ship_paid"]

    @admin.action(description="Ship those that are paid for", permissions=["change"])
    def ship_paid(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        self.message_user(request, f"{ship(queryset)} shipped.", messages.SUCCESS)


@admin.register(Customer)
class CustomerAdmin(admin.ModelAdmin):
    list_display = ["name", "email"]


class ReadOnlyAdmin(admin.ModelAdmin):
    """For what handlers wrote: it is a record, not something to edit."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    list_display = ["reference", "order_number", "amount", "attempts", "created_at"]


@admin.register(StockMove)
class StockMoveAdmin(ReadOnlyAdmin):
    list_display = ["order_number", "what", "pieces", "created_at"]


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    list_display = ["subject", "to", "created_at"]


@admin.register(OrderChange)
class OrderChangeAdmin(ReadOnlyAdmin):
    list_display = ["order_number", "what", "total", "created_at"]


@admin.register(Login)
class LoginAdmin(ReadOnlyAdmin):
    list_display = ["username", "created_at"]
