"""The embedded cloud: local AWS, ACME server, DNS and a simulated DSM, for the demo and the tests."""
