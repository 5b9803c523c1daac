from dfns_login.doctor.findings import examine
from dfns_login.doctor.results import Level

__all__ = ["Level", "examine"]
