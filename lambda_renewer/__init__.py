"""The renewal Lambda: decide whether a certificate is due, get it by dns-01, store it in Secrets Manager."""
