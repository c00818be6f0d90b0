"""The agent on an endpoint: fetches, observes, plans, applies and reports. It never runs a job."""

VERSION = "0.1.0"
