"""The program on an endpoint: it observes, plans, applies and reports. It never executes a job."""

VERSION = "0.1.0"
