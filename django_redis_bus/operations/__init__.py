"""What operators see of a bus and do to it: one function per question and per verb.

The admin pages and the management commands are two surfaces of these functions and have no way of their own to Redis.
They share no code with the consumers' loop, which they show the work of.

Every question has a deadline and a bound: it costs the same with ten entries as with ten million. Every verb is one
atomic script per entry, so that two operators, or an operator and a consumer, cannot lose or double one.
"""
