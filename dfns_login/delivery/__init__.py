from dfns_login.delivery.outbox import LEASE

__all__ = ["LEASE"]
